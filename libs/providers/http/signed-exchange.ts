import { GatewayError } from '#libs/core'
import type { OutgoingRequest, RequestSigner } from '../provider.ts'
import { cancelledError, type RawAnswer } from './exchange.ts'

export interface Signing {
  signer: RequestSigner
  request: OutgoingRequest
  key: string | undefined
  provider: string
  signal: AbortSignal
}

/** Credentials that are refused may have been good a moment ago: others are tried once. */
export async function startSignedExchange(
  signing: Signing,
  start: (signed: Record<string, string>) => Promise<RawAnswer>,
): Promise<RawAnswer> {
  const { signer, key } = signing
  const signed = await sign(signing)
  const answer = await start(signed)
  if (answer.status !== 401 || signer.renew?.(signed, key) !== true) return answer
  answer.stop()
  return start(await sign(signing))
}

async function sign(signing: Signing): Promise<Record<string, string>> {
  const { signer, request, key, provider } = signing
  let signed: Record<string, string>
  try {
    signed = await untilCancelled(signer.sign(request, key), signing)
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause
    const message = `The request to provider ${provider} was not sent: there are no credentials to sign it with.`
    throw new GatewayError('upstream_auth_failed', message, { provider, cause })
  }
  // A key that became no header, such as a private one, may hold what it will.
  if (Object.values(signed).every((value) => /^[\x20-\x7e]*$/.test(value))) return signed
  throw unsendableKey(provider)
}

/** Signers know no signal, and may wait for a server. */
async function untilCancelled<T>(made: Promise<T>, { provider, signal }: Signing): Promise<T> {
  const cancelled = Promise.withResolvers<never>()
  const cancel = (): void => cancelled.reject(cancelledError(provider, signal))
  signal.addEventListener('abort', cancel)
  try {
    return await Promise.race([made, cancelled.promise])
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

export function unsendableKey(provider: string): GatewayError {
  const message = `The key of provider ${provider} was not sent: it holds a blank, a line break or a character outside ASCII.`
  return new GatewayError('upstream_auth_failed', message, { provider })
}
