import { GatewayError } from '#libs/core'
import type { RawAnswer } from './exchange.ts'

const maxErrorBodyBytes = 64 * 1024

/** What came of it, also when it breaks off: the status tells more than the broken body does. */
export async function readErrorBody(answer: RawAnswer): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    await answer.read((chunk) => {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes > maxErrorBodyBytes) answer.stop()
    })
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'cancelled') throw error
  }
  return Buffer.concat(chunks).toString('utf8', 0, maxErrorBodyBytes)
}
