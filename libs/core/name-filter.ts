/** Names that are let in and kept out, in which each `*` stands for any text. */
export interface NameLists {
  /** Absent lets in all. */
  readonly allow?: readonly string[] | undefined
  /** Beats `allow`. */
  readonly deny?: readonly string[] | undefined
}

/** Whether something is let in that has one or several names: it is kept out if one of them is denied. */
export type NameFilter = (...names: readonly string[]) => boolean

/** The lists as a question. Takes time in proportion to the name, whatever its patterns are: names come from clients. */
export function createNameFilter({ allow, deny = [] }: NameLists = {}): NameFilter {
  if (allow === undefined && deny.length === 0) return () => true
  const isIn = (list: readonly string[], names: readonly string[]): boolean =>
    list.some((pattern) => names.some((name) => matchesName(name, pattern)))
  return (...names) => !isIn(deny, names) && (allow === undefined || isIn(allow, names))
}

/** Whether the whole name is as the pattern says, in which each `*` stands for any text. */
export function matchesName(name: string, pattern: string): boolean {
  const [head = '', ...rest] = pattern.split('*')
  const tail = rest.pop()
  if (tail === undefined) return name === pattern
  if (!name.startsWith(head) || !name.endsWith(tail) || name.length < head.length + tail.length) return false
  // What stands between two stars is best found as early as it can be.
  let from = head.length
  for (const text of rest) {
    const at = name.indexOf(text, from)
    if (at === -1) return false
    from = at + text.length
  }
  return from <= name.length - tail.length
}
