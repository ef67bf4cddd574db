import type { Compatibility } from '#config'

const classes = [
  ['refused', 'REFUSED', 'not supported'],
  ['ignored', 'IGNORED', 'without effect here'],
  ['mapped', 'MAPPED', 'does the same in our own way'],
  ['honoured', 'HONOURED', 'as in LiteLLM'],
] as const

/** A table for each class of findings, the one that needs something done first. */
export function formatCompatibility(findings: readonly Compatibility[]): string {
  const tables = classes.flatMap(([verdict, title, meaning]) => {
    const rows = findings.filter((finding) => finding.verdict === verdict)
    if (rows.length === 0) return []
    const cells = rows.map(
      (row) => [`${row.source}:${row.place?.line ?? 1}`, row.setting, toText(row)] as const,
    )
    const widths = [0, 1].map((column) => Math.max(...cells.map((cell) => cell[column]?.length ?? 0)))
    const lines = cells.map(([place, setting, message]) => {
      return `  ${place.padEnd(widths[0] ?? 0)}  ${setting.padEnd(widths[1] ?? 0)}  ${message}`
    })
    return [`${title} (${rows.length}): ${meaning}\n${lines.join('\n')}`]
  })
  return tables.join('\n\n')
}

/** How many there are of each class, in one line. */
export function countCompatibility(findings: readonly Compatibility[]): string {
  const counts = classes.map(([verdict]) => {
    return `${findings.filter((finding) => finding.verdict === verdict).length} ${verdict}`
  })
  return counts.toReversed().join(', ')
}

/** For programs: one object for each finding. */
export function toJson(findings: readonly Compatibility[]) {
  return findings.map(({ verdict, setting, message, source, place, stopsStart }) => ({
    class: verdict.toUpperCase(),
    setting,
    message,
    file: source,
    line: place?.line ?? null,
    column: place?.column ?? null,
    stopsStart,
  }))
}

function toText({ message, stopsStart }: Compatibility): string {
  return stopsStart ? `${message} (nothing starts with it)` : message
}
