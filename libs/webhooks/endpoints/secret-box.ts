import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

/**
 * Keeps secrets that must be had again, so that no hash would do: with a key they are sealed (AES-256-GCM), without one
 * they lie open, and whoever can read the store can sign.
 */
export interface SecretBox {
  /** `owner` is what the secret belongs to; sealed for one, it opens for no other. */
  seal(secret: string, owner: string): string
  /** Throws if the secret was sealed with another key, or for another owner. What lies open is given as it is. */
  open(sealed: string, owner: string): string
}

const prefix = 'sealed1.'
const cipher = 'aes-256-gcm'
const ivBytes = 12
const tagBytes = 16

/** The key is 32 bytes, as 64 hexadecimal digits or as base64. */
export function createSecretBox(encryptionKey: string | undefined): SecretBox {
  const key = encryptionKey === undefined ? undefined : toKey(encryptionKey)
  return {
    seal(secret, owner) {
      if (key === undefined) return secret
      const iv = randomBytes(ivBytes)
      const sealing = createCipheriv(cipher, key, iv).setAAD(Buffer.from(owner))
      const text = Buffer.concat([sealing.update(secret, 'utf8'), sealing.final()])
      return prefix + Buffer.concat([iv, sealing.getAuthTag(), text]).toString('base64url')
    },
    open(sealed, owner) {
      if (!sealed.startsWith(prefix)) return sealed
      if (key === undefined) throw new Error('A secret is sealed, and webhooks.encryption_key is not set.')
      const bytes = Buffer.from(sealed.slice(prefix.length), 'base64url')
      const opening = createDecipheriv(cipher, key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes })
        .setAAD(Buffer.from(owner))
        .setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes))
      return opening.update(bytes.subarray(ivBytes + tagBytes), undefined, 'utf8') + opening.final('utf8')
    },
  }
}

/** A new signing secret, as Standard Webhooks writes it. */
export function createSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`
}

/** Enough to tell two secrets apart, and no more. */
export function toHint(secret: string): string {
  return `whsec_…${secret.slice(-5)}`
}

function toKey(text: string): Buffer {
  return /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text, 'base64')
}
