import type { Finding, Problem } from '../problems.ts'
import type { Compatibility } from './import-litellm.ts'

/** The findings that the gateway does not start with, as problems. */
export function stoppingProblems(compatibility: readonly Compatibility[] | undefined): Problem[] {
  return (compatibility ?? []).flatMap((found) => {
    if (!found.stopsStart) return []
    const message = `${found.setting}: ${found.message} (or start without it: --accept-unsupported ${found.setting})`
    return [{ source: found.source, place: found.place, message }]
  })
}

/** What an operator should see at every start: what is left out, and which variables are not set. */
export function litellmWarnings(compatibility: readonly Compatibility[] | undefined): Problem[] {
  if (compatibility === undefined) return []
  const single = compatibility.filter(({ verdict, unset }) => verdict === 'refused' || unset !== undefined)
  const rest = compatibility.filter((found) => found.verdict === 'ignored' && found.unset === undefined)
  const told = single.map(({ source, place, setting, message }) => ({
    source,
    place,
    message: `${setting}: ${message}`,
  }))
  const [first] = rest
  if (first === undefined) return told
  const names = new Set(rest.map(({ setting }) => setting.replaceAll(/\[\d+\]/g, '[]')))
  const message = `settings without effect here: ${[...names].join(', ')}; "millrace check ${first.source}" says why`
  return [...told, { source: first.source, message }]
}

/** Whether a check found that a provider has no key. */
export function isKeyMissing({ path, message }: Finding): boolean {
  return (
    path.length === 3 && path[0] === 'providers' && path[2] === 'keys' && message.startsWith('is required')
  )
}
