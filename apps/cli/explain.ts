import { parseArgs } from 'node:util'
import { formatProblems, loadConfig } from '#config'
import { GatewayError } from '#libs/core'
import { createPriceList } from '#libs/prices'
import { findProviderSpec, providerSpecs } from '#libs/providers'
import { explainModel, type Explanation } from './explain/explain-model.ts'
import { formatExplanation } from './explain/format-explanation.ts'
import { watchTargets } from './explain/watch-targets.ts'

const help = `Usage: millrace explain MODEL [--json]

Tells where a request for MODEL would go now, and why: the model that serves the name, its targets in the order in which
they would be tried, how each of them fares, and what happens when they fail. Looks into Redis, if one is configured and
answers, and calls nobody. The exit code is 1 when nothing serves the name.

  --json                  one JSON object instead of text
  --config FILE, -c FILE  the configuration
  --redis-url URL         the Redis to use
  --help, -h              show this`

/** Prints how a model's name is resolved; resolves to the exit code. */
export async function explain(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      config: { type: 'string', short: 'c' },
      'redis-url': { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    console.log(help)
    return 0
  }
  const [model, ...rest] = positionals
  if (model === undefined || rest.length > 0) {
    console.error(help)
    return 2
  }
  const overrides = { redisUrl: values['redis-url'] }
  const loaded = loadConfig({ path: values.config, overrides, providerSpecs })
  if (!loaded.ok) {
    console.error(formatProblems(loaded.problems))
    return 1
  }
  const { config } = loaded
  const prices = await createPriceList(config, { tableName: (type) => findProviderSpec(type)?.pricesName })
  const watched = await watchTargets(config)
  try {
    print(explainModel(config, model, { ...watched, prices }), values.json)
    return 0
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    if (values.json) console.log(JSON.stringify({ error: error.toJSON() }, null, 2))
    else console.error(error.message)
    return 1
  } finally {
    await watched.close()
  }
}

function print(explanation: Explanation, isJson: boolean): void {
  console.log(isJson ? JSON.stringify(explanation, null, 2) : formatExplanation(explanation))
}
