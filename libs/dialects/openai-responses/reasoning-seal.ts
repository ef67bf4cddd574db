/** What a provider wants back with its reasoning, either of which is opaque. */
export interface Seal {
  signature?: string
  redacted?: string
}

const signatureMark = 'signature:'

/**
 * Reasoning's signature or hidden text as one `encrypted_content`, the only field that clients send back. Which of
 * the two it was is said by a mark in front of a signature; a provider's own sealed text has none.
 */
export function sealReasoning({ signature, redacted }: Seal): string | undefined {
  return signature === undefined ? redacted : `${signatureMark}${signature}`
}

export function openSeal(encrypted: unknown): Seal {
  if (typeof encrypted !== 'string') return {}
  return encrypted.startsWith(signatureMark)
    ? { signature: encrypted.slice(signatureMark.length) }
    : { redacted: encrypted }
}
