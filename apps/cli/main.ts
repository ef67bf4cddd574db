import { parseArgs } from 'node:util'
import { closest } from '#libs/core'
import packageJson from '../../package.json' with { type: 'json' }

/** Gets what follows its name, and gives the exit code: 0 well, 1 not well, 2 wrongly called. */
type Command = (args: string[]) => Promise<number>

/** Loaded only when called: `millrace --help` need not wait for the AWS SDK. */
const commands: Readonly<Record<string, { summary: string; load: () => Promise<Command> }>> = {
  up: {
    summary: 'run the whole gateway on this machine',
    load: async () => (await import('./up.ts')).up,
  },
  check: {
    summary: 'check a configuration file and show everything that is wrong with it',
    load: async () => (await import('./check.ts')).check,
  },
  explain: {
    summary: 'tell where requests for a model go now, and why',
    load: async () => (await import('./explain.ts')).explain,
  },
  import: {
    summary: "write a LiteLLM config.yaml in this gateway's own words",
    load: async () => (await import('./import.ts')).importFile,
  },
  runs: {
    summary: 'list the runs and the dead letters, retry or cancel one',
    load: async () => (await import('./runs.ts')).runs,
  },
}

process.exitCode = await main(process.argv.slice(2))

async function main([name, ...args]: string[]): Promise<number> {
  try {
    if (name === undefined || name.startsWith('-')) return answerOption(name)
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (command === undefined) return refuse(unknownCommand(name))
    return await (
      await command.load()
    )(args)
  } catch (error) {
    if (isWrongCall(error)) return refuse(error.message)
    throw error
  }
}

function answerOption(option: string | undefined): number {
  if (option === undefined) {
    console.error(help())
    return 2
  }
  const { values } = parseArgs({
    args: [option],
    options: { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean', short: 'v' } },
  })
  console.log(values.version ? packageJson.version : help())
  return 0
}

function unknownCommand(name: string): string {
  const meant = closest(name, Object.keys(commands))
  return `There is no command "${name}".${meant === undefined ? '' : ` Did you mean "${meant}"?`}`
}

function refuse(message: string): number {
  console.error(`${message}\n"millrace --help" lists what there is.`)
  return 2
}

function isWrongCall(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
}

function help(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length))
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
  return `${packageJson.description}

Usage: millrace COMMAND [options]

${lines.join('\n')}

  --help, -h     show this; after a command, show its options
  --version, -v  show the version`
}
