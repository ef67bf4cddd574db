import { checkObject, isAbsent, refuse, refuseType } from './checks.ts'

/** The pairs that a client keeps with its run: 16 at most, and short. */
export function readMetadata(metadata: unknown): Record<string, string> {
  if (isAbsent(metadata)) return {}
  checkObject(metadata, 'metadata')
  const pairs = Object.entries(metadata)
  if (pairs.length > 16)
    refuse('metadata', `Invalid 'metadata': expected at most 16 pairs, got ${pairs.length}.`)
  for (const [key, value] of pairs) {
    const isKey = key !== '' && key.length <= 64 && !/\p{Cc}/u.test(key)
    if (!isKey)
      refuse(
        'metadata',
        "Invalid 'metadata': keys have 1 to 64 characters, none of them a control character.",
      )
    if (typeof value !== 'string') refuseType(`metadata.${key}`, 'a string', value)
    if (value.length > 512)
      refuse(`metadata.${key}`, `Invalid 'metadata.${key}': expected at most 512 characters.`)
  }
  return Object.fromEntries(pairs) as Record<string, string>
}
