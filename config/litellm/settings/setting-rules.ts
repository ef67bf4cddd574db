import { closest } from '#libs/core'
import { isTree, toList } from '../../environment.ts'
import type { Tree } from '../../environment.ts'
import type { Path } from '../../problems.ts'
import type { ImportContext, Verdict } from '../import-context.ts'

export type Rules = ReadonlyMap<string, readonly [verdict: Verdict, reason: string]>

/** A table of verdicts: each row has the keys that it is about, with spaces between them. */
export function toRules(rows: readonly (readonly [Verdict, reason: string, keys: string])[]): Rules {
  return new Map(
    rows.flatMap(([verdict, reason, keys]) => keys.split(/\s+/).map((key) => [key, [verdict, reason]])),
  )
}

/** What a section's own code does with a key; what it does not take is for the rules. */
export type Handlers = Readonly<Record<string, (value: unknown, path: Path) => void>>

/** Gives each key of a section to its handler, or says what the rules say. */
export function readSection(
  context: ImportContext,
  path: Path,
  { section, handlers, rules }: { section: Tree; handlers: Handlers; rules: Rules },
): void {
  for (const [key, value] of Object.entries(section)) {
    const keyPath = [...path, key]
    const handler = Object.hasOwn(handlers, key) ? handlers[key] : undefined
    if (handler === undefined) reportByRule(context, keyPath, { value, rules, handlers })
    else if (value === null) context.report('honoured', keyPath, 'has no value')
    else handler(value, keyPath)
  }
}

/** One verdict for the key and all that is in it. */
export function reportByRule(
  context: ImportContext,
  path: Path,
  { value, rules, handlers = {} }: { value: unknown; rules: Rules; handlers?: Handlers },
): void {
  const key = String(path.at(-1))
  const rule = rules.get(key)
  if (rule === undefined) {
    const meant = closest(key, [...rules.keys(), ...Object.keys(handlers)])
    const hint = meant === undefined ? '' : `; did you mean "${meant}"?`
    context.report('ignored', path, `is no setting that LiteLLM documents${hint}`)
    return
  }
  const [verdict, reason] = rule
  if (verdict === 'refused' && isOff(value)) context.report('honoured', path, 'is off')
  else context.report(verdict, path, reason)
}

/** A setting that is off asks for nothing. */
export function isOff(value: unknown): boolean {
  const isEmpty = toList(value)?.length === 0 || (isTree(value) && Object.keys(value).length === 0)
  return value === null || value === undefined || value === false || value === '' || isEmpty
}

/** The one setting that is a danger when it is off. */
export function reportSslVerify(context: ImportContext, value: unknown, path: Path): void {
  const isOn = value === true || value === null
  const message = 'certificates of providers are always checked'
  context.report(isOn ? 'honoured' : 'refused', path, isOn ? message : `${message}; take it out`)
}
