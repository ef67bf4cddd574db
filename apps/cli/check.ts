import { parseArgs } from 'node:util'
import { formatProblems, loadConfig } from '#config'
import type { Config } from '#config'
import { providerSpecs } from '#libs/providers'

const help = `Usage: millrace check [FILE]

Checks the configuration as it would be loaded here, the environment included, and starts nothing. Without FILE it
takes $MILLRACE_CONFIG, else millrace.yaml. The exit code is 0 when the configuration is valid and 1 when it is not.`

/** Prints what is wrong with a configuration; resolves to the exit code. */
export async function check(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h' } },
  })
  if (values.help) {
    console.log(help)
    return 0
  }
  if (positionals.length > 1) {
    console.error(help)
    return 2
  }
  const result = loadConfig({ path: positionals[0], providerSpecs })
  if (!result.ok) {
    console.error(formatProblems(result.problems))
    console.error(`\n${count(result.problems.length, 'problem')} found.`)
    return 1
  }
  for (const warning of result.warnings) console.error(`Warning: ${formatProblems([warning])}\n`)
  console.log(`${result.source ?? 'The environment, without a file,'} is valid: ${summarize(result.config)}`)
  return 0
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
