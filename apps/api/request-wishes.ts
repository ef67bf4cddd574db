import { hash } from 'node:crypto'
import { GatewayError } from '#libs/core'
import { lanes, type Acceptance, type Lane } from '#libs/runs'

/** The lane that a request asks for. */
export function readLane(value: string | string[] | undefined): Lane | undefined {
  if (value === undefined) return undefined
  const lane = lanes.find((known) => known === value)
  if (lane !== undefined) return lane
  throw new GatewayError('invalid_request', `x-millrace-priority is one of ${lanes.join(', ')}.`, {
    param: 'x-millrace-priority',
  })
}

/** What becomes of the run when its client leaves, if the request says so. */
export function readOnDisconnect(value: string | string[] | undefined): 'continue' | 'cancel' | undefined {
  if (value === undefined || value === 'continue' || value === 'cancel') return value
  throw new GatewayError('invalid_request', 'x-millrace-on-disconnect is continue or cancel.', {
    param: 'x-millrace-on-disconnect',
  })
}

/** What an Idempotency-Key stands for; `sameAgain` gives what a body has in common with its repetitions. */
export function readIdempotency(
  key: string | string[] | undefined,
  endpoint: string,
  sameAgain: () => string,
): Acceptance['idempotency'] {
  if (key === undefined) return undefined
  if (typeof key !== 'string' || key === '' || key.length > 255) {
    throw new GatewayError('invalid_request', 'An Idempotency-Key has 1 to 255 characters.', {
      param: 'Idempotency-Key',
    })
  }
  return { keyDigest: hash('sha256', `${endpoint}\n${key}`), bodyDigest: hash('sha256', sameAgain()) }
}
