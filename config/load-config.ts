import { resolve } from 'node:path'
import type { PriceFile } from '#libs/prices'
import type { Config, ConfigurableProvider, StorageConfig, TenantConfig } from './config.ts'
import { crossCheck, defaultKeyName, findWarnings } from './cross-checks.ts'
import { expandReferences, isTree, overlay } from './environment.ts'
import type { Environment, Overrides } from './environment.ts'
import { formatPath, showPath } from './problems.ts'
import type { Finding, Problem } from './problems.ts'
import { readPrices } from './prices/read-prices.ts'
import { createSimulator, parseSettings, simulator } from './schema.ts'
import type { FileSettings } from './schema.ts'
import { findSource, openSource } from './source-file.ts'
import type { Compatibility } from './litellm/import-litellm.ts'
import { isKeyMissing, litellmWarnings, stoppingProblems } from './litellm/warnings.ts'

export interface LoadOptions {
  /** The file; without it `MILLRACE_CONFIG`, then `millrace.yaml` in the working directory, then none. */
  readonly path?: string | undefined
  /** Instead of the process's own. */
  readonly environment?: Environment | undefined
  readonly overrides?: Overrides | undefined
  readonly providerSpecs: readonly ConfigurableProvider[]
  /** What relative paths start from, instead of the process's own. */
  readonly workingDirectory?: string | undefined
}

export type LoadResult =
  | {
      readonly ok: true
      readonly config: Config
      readonly warnings: readonly Problem[]
      /** The file, as it was named; undefined when there is none. */
      readonly source: string | undefined
      /** What became of each setting, if the file is LiteLLM's. */
      readonly compatibility?: readonly Compatibility[] | undefined
    }
  | {
      readonly ok: false
      readonly problems: readonly Problem[]
      readonly compatibility?: readonly Compatibility[] | undefined
    }

/**
 * Reads, fills in, checks and freezes. A configuration that is wrong is a value, with everything that is wrong
 * with it; nothing is half applied.
 */
export function loadConfig(options: LoadOptions): LoadResult {
  const {
    providerSpecs,
    overrides = {},
    environment = process.env,
    workingDirectory = process.cwd(),
  } = options
  const source = findSource(options.path, environment, workingDirectory)
  const accepted = overrides.acceptUnsupported ?? []
  const opening = { directory: workingDirectory, environment, providerSpecs, accepted }
  const file = source === undefined ? undefined : openSource(source, opening)
  if (file !== undefined && file.tree === undefined && file.problems.length > 0) return failed(file.problems)

  const expanded = expandReferences(file?.tree ?? {}, environment)
  if (!isTree(expanded.tree)) {
    return failed([
      { source: source ?? '', message: 'the file must be a set of keys, such as server: and providers:' },
    ])
  }
  const { tree, origins } = overlay(expanded.tree, environment, { overrides, providerSpecs })
  const parsed = parseSettings(tree)
  const compatibility = file?.compatibility
  const checked = crossCheck(tree, providerSpecs)
  const providers = isTree(tree.providers) ? Object.keys(tree.providers) : []
  const known = [...providers, simulator.name, ...providerSpecs.map(({ type }) => type)]
  const priced = readPrices(tree.prices, { directory: workingDirectory, providers: known })
  const findings = [
    ...expanded.findings.filter(({ path }) => !origins.has(formatPath(path))),
    ...('findings' in parsed ? parsed.findings : []),
    // LiteLLM starts without a provider's key, and so must its files.
    ...(compatibility === undefined ? checked : checked.filter((finding) => !isKeyMissing(finding))),
    ...(priced.finding === undefined ? [] : [priced.finding]),
  ]
  const toProblem = (finding: Finding): Problem => {
    const message = `${showPath(finding.path)}: ${finding.message}`
    const origin = origins.get(formatPath(finding.path))
    if (origin !== undefined) return { source: origin, message }
    const location = file?.locate(finding.path, finding.atKey ?? false)
    return { source: 'configuration', ...location, message }
  }
  const problems = [
    ...(file?.problems ?? []),
    ...stoppingProblems(compatibility),
    ...firstOfEachPath(findings).map(toProblem),
    ...(priced.problems ?? []),
  ]
  if ('findings' in parsed || problems.length > 0) return failed(problems, compatibility)
  const config = freeze(toConfig(parsed.settings, { directory: workingDirectory, ...priced }))
  const native = findWarnings(tree, { isImported: compatibility !== undefined }).map(toProblem)
  return { ok: true, config, warnings: [...native, ...litellmWarnings(compatibility)], source, compatibility }
}

/** In the order of the file, since that is how people work through them. */
function failed(problems: readonly Problem[], compatibility?: readonly Compatibility[]): LoadResult {
  const inOrder = problems.toSorted(({ place: left }, { place: right }) => {
    const byLine = (left?.line ?? 0) - (right?.line ?? 0)
    return byLine === 0 ? (left?.column ?? 0) - (right?.column ?? 0) : byLine
  })
  return { ok: false, problems: inOrder, compatibility }
}

/** A setting that one check has refused says nothing to the next. */
function firstOfEachPath(findings: Finding[]): Finding[] {
  const byPath = Map.groupBy(findings, ({ path }) => formatPath(path))
  return [...byPath.values()].flatMap(([first]) => first ?? [])
}

function toConfig(
  settings: FileSettings,
  { directory, prices }: { directory: string; prices?: PriceFile },
): Config {
  const dataDir = resolve(directory, settings.dataDir)
  const providers = { [simulator.name]: createSimulator(), ...settings.providers }
  return {
    ...settings,
    dataDir,
    redis: { ...settings.redis, url: settings.redis.url },
    storage: toStorage(settings.storage, dataDir, directory),
    keys: named(settings.keys),
    models: settings.models.map((model) => ({ ...model, targets: model.targets ?? [] })),
    prices,
    tenants: toTenants(settings),
    providers: Object.entries(providers).map(([name, provider]) => {
      return { ...provider, name, keys: named(provider.keys) }
    }),
  }
}

function toTenants({ tenants, tenantDefaults }: FileSettings): TenantConfig[] {
  return Object.entries(tenants).map(([name, { weight = tenantDefaults.weight, ...limits }]) => {
    return { ...tenantDefaults, ...limits, name, weight }
  })
}

function toStorage(storage: FileSettings['storage'], dataDir: string, directory: string): StorageConfig {
  if (storage.driver === 's3') return storage
  const path = storage.path === undefined ? resolve(dataDir, 'archive') : resolve(directory, storage.path)
  return { driver: 'directory', path }
}

function named<Key extends { name?: string | undefined }>(keys: readonly Key[]): (Key & { name: string })[] {
  return keys.map((key, index) => ({ ...key, name: key.name ?? defaultKeyName(index) }))
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze)
  return value
}
