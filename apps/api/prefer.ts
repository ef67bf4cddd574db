/** What RFC 7240's `Prefer` header says that this gateway knows. Unknown preferences are ignored, as it demands. */
export interface Preferences {
  respondAsync: boolean
  /** 0 without `wait`. */
  waitMs: number
}

const longestWaitMs = 60_000

export function readPrefer(value: string | string[] | undefined): Preferences {
  const preferences: Preferences = { respondAsync: false, waitMs: 0 }
  if (value === undefined) return preferences
  for (const preference of String(value).split(/[,;]/)) {
    const [name = '', argument = ''] = preference.trim().toLowerCase().split('=')
    if (name === 'respond-async') preferences.respondAsync = true
    const seconds = Number(argument.replaceAll('"', ''))
    if (name === 'wait' && seconds > 0) preferences.waitMs = Math.min(seconds * 1000, longestWaitMs)
  }
  return preferences
}
