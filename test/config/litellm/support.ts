import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { formatProblems, loadConfig, type Compatibility, type Config, type LoadOptions } from '#config'
import { providerSpecs as registered } from '#libs/providers'
import { makeDirectory } from '../support.ts'

const vendors = ['anthropic', 'azure', 'bedrock', 'fireworks', 'gemini', 'groq', 'mistral']

/** The registry, and vendors that a release may have: what the import does with them must not hang on which it has. */
export const providerSpecs: LoadOptions['providerSpecs'] = [
  ...registered.filter(({ type }) => !vendors.includes(type)),
  ...vendors.map((type) => ({
    type,
    defaultBaseUrl: `https://${type}.example`,
    needsKey: true,
    environment: { key: `${type.toUpperCase()}_API_KEY` },
  })),
]

export type Options = Partial<Omit<LoadOptions, 'path'>>

/** Loads `config.yaml`, with other files beside it. */
export function loadLitellm(yaml: string, options: Options = {}, others: Record<string, string> = {}) {
  const workingDirectory = makeDirectory()
  for (const [name, text] of Object.entries({ ...others, 'config.yaml': yaml })) {
    mkdirSync(dirname(join(workingDirectory, name)), { recursive: true })
    writeFileSync(join(workingDirectory, name), text)
  }
  return loadConfig({ path: 'config.yaml', environment: {}, providerSpecs, workingDirectory, ...options })
}

export function mustLoadLitellm(yaml: string, options: Options = {}): Config {
  const result = loadLitellm(yaml, options)
  if (!result.ok) throw new Error(JSON.stringify(result.problems, null, 1))
  return result.config
}

/** `line VERDICT setting` of each finding, but for those of keys that are not in the file. */
export function verdictsOf(yaml: string, options: Options = {}): string[] {
  const { compatibility = [] } = loadLitellm(yaml, options)
  return compatibility.filter(isWritten).map(({ verdict, setting, place }) => {
    return `${place?.line} ${verdict.toUpperCase()} ${setting}`
  })
}

/** What the import says of a key that is missing has the place of what is around it. */
export function isWritten({ message }: Compatibility): boolean {
  return !/^no (?:master_key|api_key)|^litellm_params missing/.test(message)
}

/** An entry of `model_list`. */
export function entry(name: string, params: Record<string, unknown> = {}, info?: object): object {
  return {
    model_name: name,
    litellm_params: { model: 'openai/gpt', api_key: 'sk-1', ...params },
    ...(info !== undefined && { model_info: info }),
  }
}

/** JSON is YAML. */
export function file(entries: readonly object[], sections: object = {}): string {
  return JSON.stringify({ model_list: entries, ...sections })
}

/** The problems as people see them, and none of the lines shown. */
export function problemsOf(
  yaml: string,
  options: Options = {},
  others: Record<string, string> = {},
): string[] {
  const result = loadLitellm(yaml, options, others)
  return result.ok ? [] : result.problems.map((problem) => formatProblems([problem]).split('\n')[0] ?? '')
}

/** The one finding of a setting. */
export function findingOf(yaml: string, setting: string): Compatibility | undefined {
  const found = loadLitellm(yaml).compatibility?.filter((each) => each.setting === setting) ?? []
  if (found.length > 1) throw new Error(`${setting} has ${found.length} findings.`)
  return found[0]
}
