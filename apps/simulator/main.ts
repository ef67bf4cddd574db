import { parseArgs } from 'node:util'
import { createSimulatorServer } from './server.ts'

const usage = `Usage: npm run simulator -- [options]

An OpenAI-compatible server that calls no model. docs/simulator.md tells more.

  --port N                 port to listen on; 0 takes a free one (default 4010)
  --host HOST              address to listen on (default 127.0.0.1)
  --tokens N               tokens of an answer, for model names that don't say (default 64)
  --ttft-ms N              milliseconds to the first token (default 0)
  --gap-ms N               milliseconds between tokens (default 10)
  --concurrency-limit N    answer 429 beyond this many calls at once
  --requests-per-minute N  answer 429 to an API key beyond this many calls in a minute
  --tokens-per-minute N    the same for its tokens, those of the prompt and of the answer
  --cache-lifetime-ms N    keep the beginnings of prompts for so long, for each API key by itself
  --cache-min-tokens N     only those of so many tokens (default 1024)
  --require-key KEY        answer 401 to other keys; may be given several times
  --help                   show this
`

const optionTypes = {
  port: { type: 'string', default: '4010' },
  host: { type: 'string', default: '127.0.0.1' },
  tokens: { type: 'string' },
  'ttft-ms': { type: 'string' },
  'gap-ms': { type: 'string' },
  'concurrency-limit': { type: 'string' },
  'requests-per-minute': { type: 'string' },
  'tokens-per-minute': { type: 'string' },
  'cache-lifetime-ms': { type: 'string' },
  'cache-min-tokens': { type: 'string' },
  'require-key': { type: 'string', multiple: true },
  help: { type: 'boolean', default: false },
} as const

try {
  await main()
} catch (error) {
  process.stderr.write(
    `${error instanceof Error ? error.message : String(error)} (--help shows all options)\n`,
  )
  process.exitCode = 1
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: optionTypes })
  if (values.help) {
    process.stdout.write(usage)
    return
  }
  const tokens = wholeNumber('tokens', values.tokens)
  const ttftMs = wholeNumber('ttft-ms', values['ttft-ms'])
  const gapMs = wholeNumber('gap-ms', values['gap-ms'])
  const concurrencyLimit = wholeNumber('concurrency-limit', values['concurrency-limit'])
  const requestsPerMinute = wholeNumber('requests-per-minute', values['requests-per-minute'])
  const tokensPerMinute = wholeNumber('tokens-per-minute', values['tokens-per-minute'])
  const lifetimeMs = wholeNumber('cache-lifetime-ms', values['cache-lifetime-ms'])
  const minTokens = wholeNumber('cache-min-tokens', values['cache-min-tokens'])
  const requiredKeys = values['require-key']
  const server = createSimulatorServer({
    defaults: {
      ...(tokens !== undefined && { tokens }),
      ...(ttftMs !== undefined && { ttftMs }),
      ...(gapMs !== undefined && { gapMs }),
    },
    ...(concurrencyLimit !== undefined && { concurrencyLimit }),
    ...(lifetimeMs !== undefined && {
      promptCache: { lifetimeMs, ...(minTokens !== undefined && { minTokens }) },
    }),
    ...(requiredKeys !== undefined && { requiredKeys }),
    keyLimits: {
      ...(requestsPerMinute !== undefined && { requestsPerMinute }),
      ...(tokensPerMinute !== undefined && { tokensPerMinute }),
    },
  })
  const url = await server.listen(wholeNumber('port', values.port) ?? 0, values.host)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.close())
  process.stdout.write(`The simulator answers at ${url}/v1 as the model "lorem".\n`)
}

function wholeNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} must be a whole number, not "${text}".`)
  return Number(text)
}
