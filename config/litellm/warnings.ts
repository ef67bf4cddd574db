import type { Finding, Problem } from '../problems.ts'
import type { Compatibility } from './import-litellm.ts'

/** The findings that the gateway does not start with, as problems. */
export function stoppingProblems(compatibility: readonly Compatibility[] | undefined): Problem[] {
  return (compatibility ?? []).flatMap((found) => {
    if (!found.stopsStart) return []
    const way = found.canBeAccepted ? ` (or start without it: --accept-unsupported ${found.setting})` : ''
    const message = `${found.setting}: ${found.message}${way}`
    return [{ source: found.source, place: found.place, message }]
  })
}

/** What an operator should see at every start: what is left out, and which variables are not set. */
export function litellmWarnings(compatibility: readonly Compatibility[] | undefined): Problem[] {
  if (compatibility === undefined) return []
  const told = new Set<string>()
  const warnings = compatibility.flatMap(({ verdict, unset, setting, message, source, place }) => {
    // A variable is named by many settings, and one warning is enough.
    const isWarning =
      verdict === 'refused' || (verdict !== 'ignored' && unset !== undefined && !told.has(unset))
    if (unset !== undefined) told.add(unset)
    return isWarning ? [{ source, place, message: `${setting}: ${message}` }] : []
  })
  const rest = compatibility.filter(({ verdict }) => verdict === 'ignored')
  const [first] = rest
  if (first === undefined) return warnings
  const names = new Set(rest.map(({ setting }) => setting.replaceAll(/\[\d+\]/g, '[]')))
  const message = `settings without effect here: ${[...names].join(', ')}; "millrace check ${first.source}" says why`
  return [...warnings, { source: first.source, message }]
}

/** Whether a check found that a provider has no key. */
export function isKeyMissing({ path, message }: Finding): boolean {
  return (
    path.length === 3 && path[0] === 'providers' && path[2] === 'keys' && message.startsWith('is required')
  )
}
