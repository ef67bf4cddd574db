import { isIPv4 } from 'node:net'
import { closest } from '#libs/core'
import type { ConfigurableProvider } from './config.ts'
import { isTree, toList } from './environment.ts'
import type { Tree } from './environment.ts'
import { findNotHonoured } from './honoured.ts'
import { checkModelNames, findOtherPrices } from './model-checks.ts'
import type { Finding, Path } from './problems.ts'
import { token } from './schema-parts.ts'
import { choice, simulator } from './schema.ts'

/**
 * Whether the settings fit together. It reads the unchecked tree, and passes over what the schema has already
 * refused, so that one run reports everything.
 */
export function crossCheck(tree: Tree, providerSpecs: readonly ConfigurableProvider[]): Finding[] {
  const providers = isTree(tree.providers) ? tree.providers : {}
  return [
    ...checkHost(tree),
    ...checkStorage(tree),
    ...checkUnique(tree.keys, { path: ['keys'], setting: 'name', fallback: defaultKeyName }),
    ...checkUnique(tree.keys, { path: ['keys'], setting: 'key' }),
    ...checkTenants(tree),
    ...Object.entries(providers).flatMap(([name, provider]) => {
      return isTree(provider) ? checkProvider(name, provider, providerSpecs) : []
    }),
    ...checkUnique(tree.models, { path: ['models'], setting: 'name' }),
    ...checkModels(tree.models, [...Object.keys(providers), simulator.name]),
    ...checkModelNames(tree),
  ]
}

/** What works, and is still not wise. */
export function findWarnings(tree: Tree, { isImported }: { isImported: boolean }): Finding[] {
  const guessable = items(tree.keys).flatMap(([index, { key }]) => {
    if (typeof key !== 'string' || key.length >= 16) return []
    const message = 'has fewer than 16 characters and can be guessed; `openssl rand -hex 24` makes a good one'
    return [{ path: ['keys', index, 'key'], message }]
  })
  const always = [...guessable, ...findOtherPrices(tree)]
  // The import has a finding of its own for each setting that is not carried out.
  return isImported ? always : [...always, ...findNotHonoured(tree)]
}

/** The name of a key that was given none. */
export function defaultKeyName(index: number): string {
  return `key-${index + 1}`
}

function checkHost(tree: Tree): Finding[] {
  const noKeys = tree.keys === undefined || toList(tree.keys)?.length === 0
  const host = isTree(tree.server) ? tree.server.host : undefined
  if (!noKeys || typeof host !== 'string' || isLoopback(host)) return []
  const message =
    'other machines could reach this address, and nobody has to show a key; ' +
    'add keys: [ { key: "${MILLRACE_KEY}", tenant: default } ] or bind to 127.0.0.1'
  return [{ path: ['server', 'host'], message }]
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}

/** A tenant that nobody is has a name that somebody has misspelt. */
function checkTenants({ tenants, keys }: Tree): Finding[] {
  const owners = items(keys).flatMap(([, { tenant }]) => (typeof tenant === 'string' ? [tenant] : []))
  const known = [...new Set([...owners, 'default'])]
  return Object.keys(isTree(tenants) ? tenants : {}).flatMap((name) => {
    if (known.includes(name)) return []
    const meant = closest(name, known)
    const hint = meant === undefined ? `; keys have ${known.join(', ')}` : `; did you mean "${meant}"?`
    return [{ path: ['tenants', name], message: `is the tenant of no key${hint}`, atKey: true }]
  })
}

function checkStorage({ storage }: Tree): Finding[] {
  if (!isTree(storage)) return []
  const [id, secret] = ['access_key_id', 'secret_access_key']
  if ((storage[id] === undefined) === (storage[secret] === undefined)) return []
  const missing = storage[id] === undefined ? id : secret
  return [{ path: ['storage', missing], message: `is required: ${id} and ${secret} come together` }]
}

function checkProvider(name: string, provider: Tree, specs: readonly ConfigurableProvider[]): Finding[] {
  const path = ['providers', name]
  if (typeof provider.type !== 'string') return []
  const spec = specs.find(({ type }) => type === provider.type)
  if (spec === undefined) {
    const types = specs.map(({ type }) => type)
    return [{ path: [...path, 'type'], message: choice(provider.type, types) }]
  }
  const findings = [
    ...checkUnique(provider.keys, { path: [...path, 'keys'], setting: 'name', fallback: defaultKeyName }),
    ...checkUnique(provider.keys, { path: [...path, 'keys'], setting: 'value', within: 'base_url' }),
    ...checkWeights(provider.keys, [...path, 'keys']),
    ...checkKeyValues(provider, spec, path),
    ...checkOptions(provider, spec, path),
  ]
  if (provider.base_url === undefined && spec.defaultBaseUrl === undefined && spec.builtIn === undefined) {
    const message = `is required: a provider of type ${spec.type} has no address of its own`
    findings.push({ path: [...path, 'base_url'], message })
  }
  const noKeys = provider.keys === undefined || toList(provider.keys)?.length === 0
  if (spec.needsKey && noKeys) {
    const variable = spec.environment?.key
    const value = variable === undefined ? '…' : `"\${${variable}}"`
    const orSet = variable === undefined ? '' : `, or set the environment variable ${variable}`
    const message = `is required: add keys: [ { name: main, value: ${value} } ]${orSet}`
    findings.push({ path: [...path, 'keys'], message })
  }
  return findings
}

function checkKeyValues(
  { keys }: Tree,
  { checkKey = checkToken }: ConfigurableProvider,
  path: Path,
): Finding[] {
  return items(keys).flatMap(([index, { value }]) => {
    const message = typeof value === 'string' ? checkKey(value) : undefined
    return message === undefined ? [] : [{ path: [...path, 'keys', index, 'value'], message }]
  })
}

function checkToken(value: string): string | undefined {
  return token.pattern.test(value) ? undefined : token.problem
}

function checkOptions(provider: Tree, { type, options = {} }: ConfigurableProvider, path: Path): Finding[] {
  const told = isTree(provider.options) ? provider.options : {}
  const known = Object.keys(options)
  const unknown = Object.keys(told).filter((name) => !known.includes(name))
  const missing = known.filter((name) => options[name]?.required === true && told[name] === undefined)
  return [
    ...unknown.map((name) => {
      const message = `unknown option of type ${type}; ${known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`}`
      return { path: [...path, 'options', name], message, atKey: true }
    }),
    ...missing.map((name) => {
      const variable = options[name]?.variable
      const orSet = variable === undefined ? '' : `, or set the environment variable ${variable}`
      return { path: [...path, 'options', name], message: `is required: add options: { ${name}: … }${orSet}` }
    }),
  ]
}

function checkModels(models: unknown, providerNames: string[]): Finding[] {
  return items(models).flatMap(([index, model]) => {
    const path = ['models', index, 'targets']
    if ((model.targets === undefined) === (model.unavailable === undefined)) {
      const isBoth = model.targets !== undefined
      const message = isBoth ? 'cannot be there together with unavailable' : 'is required'
      return [{ path, message, atKey: isBoth }]
    }
    const unknown = items(model.targets).flatMap(([targetIndex, { provider }]) => {
      if (typeof provider !== 'string' || providerNames.includes(provider)) return []
      return [{ path: [...path, targetIndex, 'provider'], message: choice(provider, providerNames) }]
    })
    return [...unknown, ...checkWeights(model.targets, path)]
  })
}

function checkWeights(list: unknown, path: Path): Finding[] {
  const entries = items(list)
  if (entries.length === 0 || entries.some(([, { weight }]) => Number(weight ?? 1) !== 0)) return []
  return [
    {
      path,
      message: 'every weight is 0, so none would be used; give one a weight of 1 or more',
      atKey: true,
    },
  ]
}

/** Names are compared without case, and values only `within` the same of another setting; a secret's message tells the place of its twin and never the secret. */
function checkUnique(
  list: unknown,
  options: { path: Path; setting: string; within?: string; fallback?: (index: number) => string },
): Finding[] {
  const { path, setting, within, fallback } = options
  const seen = new Map<string, number>()
  return items(list).flatMap(([index, item]) => {
    const value = item[setting] ?? fallback?.(index)
    if (typeof value !== 'string') return []
    const place = within === undefined ? '' : JSON.stringify(item[within])
    const compared = setting === 'name' ? value.toLowerCase() : `${place} ${value}`
    const first = seen.get(compared)
    if (first === undefined) {
      seen.set(compared, index)
      return []
    }
    return [{ path: [...path, index, setting], message: `is the same as that of ${path.at(-1)}[${first}]` }]
  })
}

function items(list: unknown): [index: number, item: Tree][] {
  return [...(toList(list) ?? []).entries()].filter((entry): entry is [number, Tree] => isTree(entry[1]))
}
