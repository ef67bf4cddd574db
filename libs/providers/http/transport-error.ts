import { GatewayError } from '#libs/core'
import type { Phase, ProviderTimeouts } from './clock.ts'

export function timeoutError(
  provider: string,
  timeouts: ProviderTimeouts,
  phase: Phase | 'total',
): GatewayError {
  const messages = {
    connect: `No connection to provider ${provider} could be had within ${timeouts.connectMs} ms.`,
    firstByte: `Provider ${provider} did not begin its answer within ${timeouts.firstByteMs} ms.`,
    idle: `Provider ${provider} sent nothing for ${timeouts.idleMs} ms in the middle of its answer.`,
    total: `Provider ${provider} did not finish its answer within ${timeouts.totalMs} ms.`,
  }
  return new GatewayError('upstream_timeout', messages[phase], { provider })
}

/**
 * What undici, Node or OpenSSL said, in words fit for a client: error codes and addresses stay in the cause. The
 * phase tells what the failure may have cost: `upstream_unreachable` means that nothing was sent.
 */
export function transportError(
  provider: string,
  timeouts: ProviderTimeouts,
  phase: Phase,
  cause: Error,
): GatewayError {
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
  const details = { provider, cause }
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return timeoutError(provider, timeouts, 'connect')
  // Undici names the header in its message but not the value, which may be a key.
  if (code === 'UND_ERR_INVALID_ARG') {
    const message = `The request to provider ${provider} was not sent: ${cause.message}.`
    return new GatewayError('invalid_request', message, details)
  }
  if (isProtocolFault(cause, code)) {
    const message = `The answer of provider ${provider} is not valid HTTP.`
    return new GatewayError('upstream_protocol_error', message, details)
  }
  if (phase === 'idle') {
    const message = `Provider ${provider} closed the connection in the middle of its answer.`
    return new GatewayError('upstream_incomplete', message, details)
  }
  if (phase === 'firstByte') {
    const message = `Provider ${provider} closed the connection before it answered: whether it acted is not known.`
    return new GatewayError('upstream_outcome_unknown', message, details)
  }
  const message = `Provider ${provider} could not be reached: ${whyUnreachable(code)}.`
  return new GatewayError('upstream_unreachable', message, details)
}

/** An early end of the body is the connection's fault, though the parser tells it. Its errors have no code to go by. */
function isProtocolFault(cause: Error, code: string): boolean {
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return true
  return cause.name === 'HTTPParserError' && !cause.message.includes('Invalid EOF state')
}

function whyUnreachable(code: string): string {
  if (code === 'ECONNREFUSED') return 'the connection was refused'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'the name of its host could not be resolved'
  if (/^ERR_(?:TLS|SSL)|CERT|SIGNATURE|^EPROTO$/.test(code)) return 'no trusted TLS connection could be made'
  if (/^UND_ERR_(?:CLOSED|DESTROYED)$/.test(code)) return 'its connections were closed by this gateway'
  return 'the network failed'
}
