import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { formatProblems, toNativeFile } from '#config'
import { providerSpecs } from '#libs/providers'
import { countCompatibility, formatCompatibility } from './report-litellm.ts'

const help = `Usage: millrace import FILE [-o OUT]

Writes a LiteLLM config.yaml in Millrace's own words, with a comment for each setting that has become something else
or nothing, to OUT or to standard output. References to the environment stay references. The exit code is 0 when all
of it could be written, and 1 when something that protects had to be left out; FILE itself is not changed.

  --output OUT, -o OUT  the file to write, which must not be there yet
  --help, -h            show this`

/** Writes the native file; resolves to the exit code. */
export async function importFile(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h' }, output: { type: 'string', short: 'o' } },
  })
  if (values.help) {
    console.log(help)
    return 0
  }
  const [source] = positionals
  if (source === undefined || positionals.length > 1) {
    console.error(help)
    return 2
  }
  const result = toNativeFile(source, { providerSpecs })
  if (!result.ok) {
    console.error(formatProblems(result.problems))
    return 1
  }
  if (values.output === undefined) process.stdout.write(result.yaml)
  else if (!writeNew(values.output, result.yaml)) {
    console.error(`${values.output} is there already; name another file, or remove it.`)
    return 1
  }
  const stopping = result.compatibility.filter(({ stopsStart }) => stopsStart)
  console.error(`${countCompatibility(result.compatibility)}; "millrace check ${source}" tells each.`)
  if (stopping.length > 0)
    console.error(`\nLeft out, and less safe without:\n${formatCompatibility(stopping)}`)
  return stopping.length > 0 ? 1 : 0
}

function writeNew(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}
