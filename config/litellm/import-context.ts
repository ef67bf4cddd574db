import { isTree } from '../environment.ts'
import type { Environment, Tree } from '../environment.ts'
import { insteadOf } from '../honoured.ts'
import type { Path } from '../problems.ts'
import type { ConfigurableProvider } from '../config.ts'

/**
 * What becomes of a setting of LiteLLM's: carried out as there, carried out in our own way, without effect, or
 * nothing that can be left out without harm.
 */
export type Verdict = 'honoured' | 'mapped' | 'ignored' | 'refused'

export interface SettingFinding {
  readonly verdict: Verdict
  readonly path: Path
  readonly message: string
  /** Without the setting something would be less safe than it was, so nothing starts. */
  readonly stopsStart: boolean
  /** The variable that the setting names and nobody has set. */
  readonly unset?: string | undefined
}

/** What every part of the import reads from and reports to. */
export interface ImportContext {
  /** The file, with the environment's values in place of `os.environ/NAME`. */
  readonly tree: Tree
  readonly providerSpecs: readonly ConfigurableProvider[]
  readonly findings: SettingFinding[]
  /** The native path of each thing that was made, and what of the file it was made of. */
  readonly origins: Map<string, Path>
  readonly report: (verdict: Verdict, path: Path, message: string, stopsStart?: boolean) => void
  /** Reports a setting that was written as a native one, and whether that is carried out yet. */
  readonly became: (path: Path, native: string, options?: { value?: unknown }) => void
  /** The native text for a value at a path: a reference stays one, so that no secret is copied. */
  toNative(path: Path): string | undefined
  /** The value of an environment variable, the file's own included; undefined when it is not set. */
  read(variable: string): string | undefined
  /** The native text for an environment variable; undefined when it is not set and must be. */
  refer(variable: string): string | undefined
}

export interface ContextOptions {
  environment: Environment
  providerSpecs: readonly ConfigurableProvider[]
  /** Write references to variables that are not set too, for a file that is to be loaded elsewhere. */
  keepUnset: boolean
}

const reference = /^os\.environ\/(.+)$/s

export function createImportContext(raw: Tree, options: ContextOptions): ImportContext {
  const findings: SettingFinding[] = []
  // LiteLLM sets them after it has read the references; to set them first only adds to what can be read.
  const own = readOwnVariables(raw.environment_variables, options.environment)
  const read = (variable: string): string | undefined =>
    own[variable] ?? (options.environment[variable] || undefined)

  const refer = (variable: string): string | undefined => {
    // The one that loads the native file does not have the variables of this one.
    if (own[variable] !== undefined) return own[variable]
    return options.keepUnset || read(variable) !== undefined ? `\${${variable}}` : undefined
  }
  const unsetAt = (path: Path): string | undefined => {
    const variable = referenceIn(valueAt(raw, path))
    return variable !== undefined && read(variable) === undefined ? variable : undefined
  }
  const report: ImportContext['report'] = (verdict, path, message, stopsStart = verdict === 'refused') => {
    const unset = unsetAt(path)
    const note = unset === undefined ? '' : `; the environment variable ${unset} is not set`
    findings.push({ verdict, path, message: message + note, stopsStart, unset })
  }
  return {
    tree: resolveReferences(raw, read) as Tree,
    providerSpecs: options.providerSpecs,
    findings,
    origins: new Map(),
    report,
    became(path, native, { value } = {}) {
      const instead = insteadOf(native.replaceAll('[]', ''), value)
      if (instead !== undefined) {
        report('ignored', path, `becomes ${native}, which this release does not carry out yet: ${instead}`)
      } else report('honoured', path, `becomes ${native}`)
    },
    toNative(path) {
      const value = valueAt(raw, path)
      const variable = referenceIn(value)
      if (variable === undefined) return isText(value) ? String(value) : undefined
      return refer(variable)
    },
    read,
    refer,
  }
}

function readOwnVariables(section: unknown, environment: Environment): Readonly<Record<string, string>> {
  const entries = Object.entries(isTree(section) ? section : {}).flatMap(([name, value]) => {
    const variable = referenceIn(value)
    // As Python's str() writes them.
    const text = variable === undefined ? toPythonText(value) : environment[variable]
    return text === undefined ? [] : [[name, text] as const]
  })
  return Object.fromEntries(entries)
}

function toPythonText(value: unknown): string {
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function referenceIn(value: unknown): string | undefined {
  return typeof value === 'string' ? reference.exec(value)?.[1] : undefined
}

/** As LiteLLM does it: ten levels deep, and not for texts that are items of a list. */
function resolveReferences(
  value: unknown,
  read: (variable: string) => string | undefined,
  depth = 0,
): unknown {
  if (depth > 10) return value
  if (Array.isArray(value)) {
    return value.map((item: unknown) => (isTree(item) ? resolveReferences(item, read, depth + 1) : item))
  }
  if (!isTree(value)) {
    const variable = referenceIn(value)
    if (variable === undefined) return value
    const text = read(variable)
    return /^(?:true|false)$/i.test(text ?? '') ? text?.toLowerCase() === 'true' : (text ?? null)
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, resolveReferences(item, read, depth + 1)]),
  )
}

function isText(value: unknown): value is string | number {
  return (typeof value === 'string' && value !== '') || typeof value === 'number'
}

function valueAt(tree: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, step) => {
    if (Array.isArray(value)) return typeof step === 'number' ? value[step] : undefined
    return isTree(value) ? value[step] : undefined
  }, tree)
}

/** A number, or the text of one: `1e-07` is a text in YAML 1.1. */
export function toNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (typeof value !== 'string' || !/^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i.test(value)) return undefined
  return Number(value)
}

/** LiteLLM counts seconds; less than a millisecond is one. */
export function toMs(value: unknown, least = 1): number | undefined {
  const seconds = toNumber(value)
  return seconds === undefined
    ? undefined
    : Math.min(2_147_483_647, Math.max(least, Math.round(seconds * 1000)))
}

/** Without what is not there, and undefined when nothing is. */
export function compact(settings: Tree): Tree | undefined {
  const entries = Object.entries(settings).filter(([, value]) => value !== undefined)
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}
