import { lookup as lookUpAddresses } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { callbackify } from 'node:util'
import { Agent, buildConnector, errors } from 'undici'
import { mayDial } from './addresses.ts'
import { findUrlProblem, type OutboundPolicy } from './policy.ts'

/** Calls addresses that people outside have named, and none that they must not reach through us. */
export interface GuardedFetcher {
  /**
   * Sends one POST, once, on a connection of its own. Redirects are not followed, and of the answer's body nothing is
   * kept. It does not throw: whatever comes of it is told by the answer.
   */
  post(posting: Posting): Promise<Answer>
  /** Cuts off the calls that run. */
  close(): Promise<void>
}

/** One POST. */
export interface Posting {
  url: string
  headers: Readonly<Record<string, string>>
  body: string
  /** From the name's lookup to the answer's head. */
  timeoutMs: number
  signal: AbortSignal
}

/** What came of a call; `problem` is for whoever named the address, and tells nothing of the inside. */
export type Answer =
  | { status: 'answered'; statusCode: number; retryAfter: string | undefined }
  /** Nothing was dialled, since the policy forbids it. */
  | { status: 'refused'; problem: string }
  | { status: 'unreachable'; problem: string }
  | { status: 'timeout'; problem: string }
  /** The caller's signal ended it. */
  | { status: 'aborted'; problem: string }

/** What may be called, and how names are looked up. */
export interface FetcherOptions extends OutboundPolicy {
  /** All addresses of a name, in the order in which they are tried. The system's resolver unless it is given. */
  lookup?: (hostname: string) => Promise<readonly string[]>
}

/** An address was about to be dialled that must not be. */
class RefusedAddress extends Error {
  constructor() {
    super('The name stands for an address that is not a public one.')
    this.name = 'RefusedAddress'
  }
}

const mostBodyBytes = 64 * 1024
/** A dial that was given up goes on in the system for as long as this. */
const connectTimeoutMs = 10_000

/** Opens no connection until it is asked to. */
export function createGuardedFetcher({ lookup = lookUpAll, ...policy }: FetcherOptions): GuardedFetcher {
  // Without keep-alive: every call is dialled, and so is checked.
  const agent = new Agent({
    pipelining: 0,
    connect: createGuardedConnector(policy, lookup),
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: 16 * 1024,
  })
  return {
    async post({ url, headers, body, timeoutMs, signal }) {
      const problem = findUrlProblem(url, policy)
      if (problem !== undefined) return { status: 'refused', problem: `The URL ${problem}.` }
      const { origin, pathname, search } = new URL(url)
      const timeout = AbortSignal.timeout(timeoutMs)
      const either = AbortSignal.any([signal, timeout])
      try {
        const response = await agent.request({
          origin,
          path: pathname + search,
          method: 'POST',
          headers,
          body,
          signal: either,
        })
        // A receiver that answers and then trickles is a receiver that answered.
        await response.body.dump({ limit: mostBodyBytes, signal: either }).catch(() => undefined)
        const retryAfter = response.headers['retry-after']
        return {
          status: 'answered',
          statusCode: response.statusCode,
          retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
        }
      } catch (error) {
        if (signal.aborted) return { status: 'aborted', problem: 'The call was given up.' }
        if (timeout.aborted)
          return { status: 'timeout', problem: `There was no answer within ${timeoutMs} ms.` }
        return toFailure(error)
      }
    },
    close: () => agent.destroy(),
  }
}

/**
 * Checks an address three times over: one that stands in the URL, all that a name stands for, and the one that the
 * socket says it has. A name is looked up once a dial, and what was checked is what is dialled: a name server that
 * answers otherwise a moment later is not asked.
 */
function createGuardedConnector(
  policy: OutboundPolicy,
  lookup: NonNullable<FetcherOptions['lookup']>,
): buildConnector.connector {
  const connect = buildConnector({
    allowH2: false,
    timeout: connectTimeoutMs,
    lookup: toSocketLookup(policy, lookup),
  })
  return (options, callback) => {
    if (isIP(options.hostname) !== 0 && !mayDial(options.hostname, policy)) {
      callback(new RefusedAddress(), null)
      return
    }
    connect(options, (...[error, socket]) => {
      if (error !== null) return callback(error, null)
      if (mayDial(socket.remoteAddress ?? '', policy)) return callback(null, socket)
      socket.destroy()
      callback(new RefusedAddress(), null)
    })
  }
}

/** One address that must not be dialled is enough: who mixes them with public ones means no good. */
function toSocketLookup(
  policy: OutboundPolicy,
  lookup: NonNullable<FetcherOptions['lookup']>,
): LookupFunction {
  const lookUpChecked = callbackify(async (hostname: string) => {
    const addresses = await lookup(hostname)
    if (!addresses.every((address) => mayDial(address, policy))) throw new RefusedAddress()
    const all = addresses.map((address) => ({ address, family: isIP(address) }))
    const [first] = all
    if (first === undefined) throw Object.assign(new Error('The name has no address.'), { code: 'ENOTFOUND' })
    return { first, all }
  })
  return (hostname, options, callback) => {
    lookUpChecked(hostname, (error, found) => {
      if (error !== null) callback(error, '')
      else if (options.all === true) callback(null, found.all)
      else callback(null, found.first.address, found.first.family)
    })
  }
}

async function lookUpAll(hostname: string): Promise<string[]> {
  const found = await lookUpAddresses(hostname, { all: true })
  return found.map(({ address }) => address)
}

function toFailure(error: unknown): Answer {
  if (error instanceof RefusedAddress) return { status: 'refused', problem: error.message }
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const problem =
    problems[code] ?? (/^(?:ERR_TLS|CERT|DEPTH|SELF|UNABLE|ERR_SSL)/.test(code) ? badTls : undefined)
  if (problem !== undefined) return { status: 'unreachable', problem }
  const isUndici = error instanceof errors.UndiciError
  return { status: 'unreachable', problem: isUndici ? 'The answer is not valid HTTP.' : 'The call failed.' }
}

const badTls = 'Its TLS certificate is not one that can be trusted for this name.'
const problems: Readonly<Record<string, string>> = {
  ENOTFOUND: 'The name is not known.',
  EAI_AGAIN: 'The name could not be looked up.',
  ECONNREFUSED: 'Nobody listens there.',
  EHOSTUNREACH: 'The address cannot be reached.',
  ENETUNREACH: 'The address cannot be reached.',
  ETIMEDOUT: 'The address does not answer.',
  UND_ERR_CONNECT_TIMEOUT: 'The address does not answer.',
  ECONNRESET: 'The connection was reset.',
  UND_ERR_SOCKET: 'The connection was closed before an answer.',
  HPE_HEADER_OVERFLOW: 'The answer has headers that are too large.',
}
