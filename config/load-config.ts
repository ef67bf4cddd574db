import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Config, ConfigurableProvider, StorageConfig } from './config.ts'
import { crossCheck, defaultKeyName, findWarnings } from './cross-checks.ts'
import { expandReferences, isTree, overlay } from './environment.ts'
import type { Environment, Overrides } from './environment.ts'
import { formatPath, showPath } from './problems.ts'
import type { Finding, Problem } from './problems.ts'
import { createSimulator, parseSettings, publicKeys, simulator } from './schema.ts'
import type { FileSettings } from './schema.ts'
import { parseYamlFile } from './yaml-file.ts'
import type { YamlFile } from './yaml-file.ts'

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
    }
  | { readonly ok: false; readonly problems: readonly Problem[] }

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
  const file = source === undefined ? undefined : readSource(source, workingDirectory)
  if (file !== undefined && file.tree === undefined && file.problems.length > 0) return failed(file.problems)

  const expanded = expandReferences(file?.tree ?? {}, environment)
  if (!isTree(expanded.tree)) {
    return failed([
      { source: source ?? '', message: 'the file must be a set of keys, such as server: and providers:' },
    ])
  }
  const { tree, origins } = overlay(expanded.tree, environment, { overrides, providerSpecs })
  const parsed = parseSettings(tree)
  const findings = [
    ...expanded.findings.filter(({ path }) => !origins.has(formatPath(path))),
    ...('findings' in parsed ? parsed.findings : []),
    ...crossCheck(tree, providerSpecs),
  ]
  const toProblem = (finding: Finding): Problem => {
    const message = `${showPath(finding.path)}: ${finding.message}`
    const origin = origins.get(formatPath(finding.path))
    if (origin !== undefined) return { source: origin, message }
    const place = file?.locate(finding.path, finding.atKey ?? false)
    return { source: source ?? 'configuration', message, place }
  }
  const problems = [...(file?.problems ?? []), ...firstOfEachPath(findings).map(toProblem)]
  if ('findings' in parsed || problems.length > 0) return failed(problems)
  const config = freeze(toConfig(parsed.settings, workingDirectory))
  return { ok: true, config, warnings: findWarnings(tree).map(toProblem), source }
}

function findSource(
  path: string | undefined,
  environment: Environment,
  directory: string,
): string | undefined {
  const named = path ?? (environment.MILLRACE_CONFIG || undefined)
  if (named !== undefined) return named
  return existsSync(resolve(directory, 'millrace.yaml')) ? 'millrace.yaml' : undefined
}

function readSource(source: string, directory: string): YamlFile {
  let text: string
  try {
    text = readFileSync(resolve(directory, source), 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'for an unknown reason'
    const message = code === 'ENOENT' ? 'there is no such file' : `the file cannot be read (${code})`
    return { tree: undefined, problems: [{ source, message }], locate: () => undefined }
  }
  return parseYamlFile(source, text, publicKeys)
}

/** In the order of the file, since that is how people work through them. */
function failed(problems: readonly Problem[]): LoadResult {
  const inOrder = problems.toSorted(({ place: left }, { place: right }) => {
    const byLine = (left?.line ?? 0) - (right?.line ?? 0)
    return byLine === 0 ? (left?.column ?? 0) - (right?.column ?? 0) : byLine
  })
  return { ok: false, problems: inOrder }
}

/** A setting that one check has refused says nothing to the next. */
function firstOfEachPath(findings: Finding[]): Finding[] {
  const byPath = Map.groupBy(findings, ({ path }) => formatPath(path))
  return [...byPath.values()].flatMap(([first]) => first ?? [])
}

function toConfig(settings: FileSettings, workingDirectory: string): Config {
  const dataDir = resolve(workingDirectory, settings.dataDir)
  const providers = { [simulator.name]: createSimulator(), ...settings.providers }
  return {
    ...settings,
    dataDir,
    redis: { ...settings.redis, url: settings.redis.url },
    storage: toStorage(settings.storage, dataDir, workingDirectory),
    keys: named(settings.keys),
    models: settings.models.map((model) => ({ ...model, targets: model.targets ?? [] })),
    prices: settings.prices && resolve(workingDirectory, settings.prices),
    providers: Object.entries(providers).map(([name, provider]) => {
      return { ...provider, name, keys: named(provider.keys) }
    }),
  }
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
