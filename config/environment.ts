import type { ConfigurableProvider } from './config.ts'
import { formatPath } from './problems.ts'
import type { Finding, Path } from './problems.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** What the command line sets; it beats the environment, which beats the file. */
export interface Overrides {
  readonly host?: string | undefined
  /** As it was typed: a text that is no port number is reported with everything else. */
  readonly port?: number | string | undefined
  readonly logLevel?: string | undefined
  readonly redisUrl?: string | undefined
  readonly dataDir?: string | undefined
  /** Settings of a LiteLLM file to start without, though leaving them out makes something less safe. */
  readonly acceptUnsupported?: readonly string[] | undefined
}

/** Settings as in the file: the names of the YAML keys, nothing checked yet. */
export type Tree = Readonly<Record<string, unknown>>

/** An empty variable counts as not set: that is what container tools make of one that nobody gave. */
function readVariable(environment: Environment, name: string): string | undefined {
  return environment[name] || undefined
}

/**
 * Puts the environment's values in place of `${NAME}`, `${NAME:-default}` and `os.environ/NAME`. Settings without
 * a value are left out, so that their defaults hold.
 */
export function expandReferences(
  tree: unknown,
  environment: Environment,
): { tree: unknown; findings: Finding[] } {
  const findings: Finding[] = []

  const expandText = (text: string, path: Path): string | undefined => {
    const before = findings.length
    const read = (name: string, fallback?: string): string => {
      const value = readVariable(environment, name) ?? fallback
      if (value === undefined) {
        findings.push({ path, message: `the environment variable ${name} is not set` })
      }
      return value ?? ''
    }
    const template = text.replace(/^os\.environ\/(\w+)$/, '$${$1}')
    if (!template.includes('${')) return text
    const expanded = template.replaceAll(
      /\$\{(?:(\w+)(?::-([^}]*))?\})?/g,
      (_, name?: string, fallback?: string) => {
        if (name !== undefined) return read(name, fallback)
        findings.push({ path, message: 'what follows ${ must be NAME} or NAME:-default}' })
        return ''
      },
    )
    // A reference that failed stays as it is, so that nothing else is taken in its place.
    return findings.length > before ? text : expanded || undefined
  }

  const expand = (value: unknown, path: Path): unknown => {
    if (typeof value === 'string') return expandText(value, path)
    if (Array.isArray(value)) return value.map((item, index) => expand(item, [...path, index]))
    if (!isTree(value)) return value ?? undefined
    return Object.fromEntries(
      Object.entries(value)
        .map(([key, item]) => [key, expand(item, [...path, key])] as const)
        .filter(([, item]) => item !== undefined),
    )
  }
  return { tree: expand(tree, []), findings }
}

const settings = [
  { section: 'server', key: 'host', variable: 'HOST', override: 'host' },
  { section: 'server', key: 'port', variable: 'PORT', override: 'port' },
  { section: 'server', key: 'log_level', variable: 'LOG_LEVEL', override: 'logLevel' },
  { section: 'redis', key: 'url', variable: 'REDIS_URL', override: 'redisUrl' },
  { section: undefined, key: 'data_dir', variable: 'MILLRACE_DATA_DIR', override: 'dataDir' },
] as const

/**
 * Lays the environment and the command line over the file, in the file's own words, so that one set of checks is
 * enough. `origins` names the source of each path that does not come from the file.
 */
export function overlay(
  tree: Tree,
  environment: Environment,
  options: { overrides: Overrides; providerSpecs: readonly ConfigurableProvider[] },
): { tree: Tree; origins: Map<string, string> } {
  const origins = new Map<string, string>()
  const result: Record<string, unknown> = { ...tree }
  for (const { section, key, variable, override } of settings) {
    const fromCommandLine = options.overrides[override]
    const value = fromCommandLine ?? readVariable(environment, variable)
    const parent = section === undefined ? tree : (result[section] ?? {})
    if (value === undefined || !isTree(parent)) continue
    if (section === undefined) result[key] = value
    else result[section] = { ...parent, [key]: value }
    const path = section === undefined ? [key] : [section, key]
    origins.set(formatPath(path), fromCommandLine === undefined ? variableOrigin(variable) : 'command line')
  }
  result.providers = overlayProviders(tree.providers, environment, { ...options, origins })
  return { tree: result, origins }
}

/** Without a `providers` section the environment decides which there are; with one it fills in what is missing. */
function overlayProviders(
  providers: unknown,
  environment: Environment,
  options: { providerSpecs: readonly ConfigurableProvider[]; origins: Map<string, string> },
): unknown {
  const specs = new Map(options.providerSpecs.map((spec) => [spec.type, spec]))
  const found = options.providerSpecs.filter((spec) => isFound(spec, environment))
  const candidates = providers ?? Object.fromEntries(found.map(({ type }) => [type, { type }]))
  if (!isTree(candidates)) return candidates

  const fill = (name: string, provider: unknown): unknown => {
    const spec = isTree(provider) ? specs.get(String(provider.type)) : undefined
    if (!isTree(provider) || spec === undefined) return provider
    const overlay = { environment, origins: options.origins, path: `providers.${name}` }
    return { ...provider, ...accessOf(spec, provider, overlay), ...optionsOf(spec, provider, overlay) }
  }
  return Object.fromEntries(
    Object.entries(candidates).map(([name, provider]) => [name, fill(name, provider)]),
  )
}

function isFound(
  { environment, needsKey, defaultBaseUrl, options = {} }: ConfigurableProvider,
  from: Environment,
): boolean {
  const isSet = (name: string | undefined): boolean =>
    name !== undefined && readVariable(from, name) !== undefined
  // A variable that other tools read too is no wish for a provider that could not start.
  if (Object.values(options).some(({ required, variable }) => required === true && !isSet(variable)))
    return false
  const hasAddress = isSet(environment?.baseUrl)
  if (isSet(environment?.key)) return hasAddress || defaultBaseUrl !== undefined
  return hasAddress && !needsKey
}

interface ProviderOverlay {
  environment: Environment
  origins: Map<string, string>
  path: string
}

/** Key and address, which belong together: a key of the file is not sent to an address of the environment. */
function accessOf(spec: ConfigurableProvider, provider: Tree, overlay: ProviderOverlay): Tree {
  const variables = spec.environment
  if (variables === undefined || toList(provider.keys ?? [])?.length !== 0) return {}
  const read = (name: string | undefined, path: string): string | undefined => {
    const value = name === undefined ? undefined : readVariable(overlay.environment, name)
    if (name !== undefined && value !== undefined) overlay.origins.set(path, variableOrigin(name))
    return value
  }
  const value = read(variables.key, `${overlay.path}.keys[0].value`)
  const keys = value === undefined ? {} : { keys: [{ name: 'environment', value }] }
  if ((value === undefined && spec.needsKey) || provider.base_url !== undefined) return keys
  const address = read(variables.baseUrl, `${overlay.path}.base_url`)
  if (address === undefined) return keys
  return { ...keys, base_url: variables.toBaseUrl?.(address) ?? address }
}

function optionsOf(spec: ConfigurableProvider, provider: Tree, overlay: ProviderOverlay): Tree {
  const told = provider.options ?? {}
  if (spec.options === undefined || !isTree(told)) return {}
  const filled: Record<string, unknown> = { ...told }
  for (const [name, { variable, default: fallback }] of Object.entries(spec.options)) {
    if (filled[name] !== undefined) continue
    const value = variable === undefined ? undefined : readVariable(overlay.environment, variable)
    if (variable !== undefined && value !== undefined) {
      overlay.origins.set(`${overlay.path}.options.${name}`, variableOrigin(variable))
    }
    if (value !== undefined || fallback !== undefined) filled[name] = value ?? fallback
  }
  return { options: filled }
}

function variableOrigin(name: string): string {
  return `environment variable ${name}`
}

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function toList(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined
}

/** The environment of a child process: this one's, with some variables set. */
export function childEnvironment(variables: Environment): Environment {
  return { ...process.env, ...variables }
}
