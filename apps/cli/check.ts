import { parseArgs } from 'node:util'
import { formatProblems, loadConfig } from '#config'
import type { Config, LoadResult, Problem } from '#config'
import { providerSpecs } from '#libs/providers'
import { countCompatibility, formatCompatibility, toJson } from './report-litellm.ts'

const help = `Usage: millrace check [FILE] [--json] [--accept-unsupported SETTING]

Checks the configuration as it would be loaded here, the environment included, and starts nothing. Without FILE it
takes $MILLRACE_CONFIG, else millrace.yaml. Of a LiteLLM config.yaml it tells what becomes of each setting. The exit
code is 0 when the gateway would start and 1 when it would not.

  --json                        one JSON object instead of text
  --accept-unsupported SETTING  leave out a setting of LiteLLM's that is refused; may be given several times
  --help, -h                    show this`

/** Prints what is wrong with a configuration; resolves to the exit code. */
export async function check(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      json: { type: 'boolean' },
      'accept-unsupported': { type: 'string', multiple: true },
    },
  })
  if (values.help) {
    console.log(help)
    return 0
  }
  if (positionals.length > 1) {
    console.error(help)
    return 2
  }
  const overrides = { acceptUnsupported: values['accept-unsupported'] }
  const result = loadConfig({ path: positionals[0], providerSpecs, overrides })
  if (values.json) console.log(JSON.stringify(toReport(result), null, 2))
  else print(result)
  return result.ok ? 0 : 1
}

function print(result: LoadResult): void {
  const { compatibility } = result
  if (compatibility !== undefined) {
    console.log(`${formatCompatibility(compatibility)}\n\n${countCompatibility(compatibility)}\n`)
  }
  if (!result.ok) {
    console.error(formatProblems(result.problems))
    console.error(`\n${count(result.problems.length, 'problem')} found.`)
    return
  }
  for (const warning of result.warnings) console.error(`Warning: ${formatProblems([warning])}\n`)
  console.log(`${result.source ?? 'The environment, without a file,'} is valid: ${summarize(result.config)}`)
}

function toReport(result: LoadResult) {
  return {
    ok: result.ok,
    format: result.compatibility === undefined ? 'millrace' : 'litellm',
    problems: result.ok ? [] : result.problems.map(toEntry),
    warnings: result.ok ? result.warnings.map(toEntry) : [],
    ...(result.compatibility && { findings: toJson(result.compatibility) }),
  }
}

function toEntry({ source, message, place }: Problem) {
  return { message, file: source, line: place?.line ?? null, column: place?.column ?? null }
}

function summarize({ providers, models, keys }: Config): string {
  // The simulator is always there, so counting it would tell nothing.
  const upstream = new Set(providerSpecs.filter((spec) => !spec.builtIn).map(({ type }) => type))
  const external = providers.filter(({ type }) => upstream.has(type))
  return [count(external.length, 'provider'), count(models.length, 'model'), count(keys.length, 'key')].join(
    ', ',
  )
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
