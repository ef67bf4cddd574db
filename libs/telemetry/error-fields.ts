import { GatewayError } from '#libs/core'

const maxCauses = 5
const maxMessageLength = 500

/**
 * What a log may know of an error: codes and messages down the chain of causes. Other
 * properties are dropped, since HTTP clients hang bodies and headers on their errors. A stack is kept, without
 * its message, only where the failure was not foreseen.
 */
export function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: shorten(String(error)) }
  const foreseen = error instanceof GatewayError && error.code !== 'internal_error'
  const causes = causesOf(error)
  return {
    ...nameAndMessage(error),
    ...(error instanceof GatewayError && { status: error.status, provider: error.provider }),
    ...(causes.length > 0 && { causes: causes.map(nameAndMessage) }),
    ...(!foreseen && { stack: stackFrames(causes.at(-1) ?? error) }),
  }
}

function causesOf(error: Error): Error[] {
  const causes: Error[] = []
  let cause = error.cause
  while (cause instanceof Error && causes.length < maxCauses) {
    causes.push(cause)
    cause = cause.cause
  }
  return causes
}

function nameAndMessage(error: Error): Record<string, unknown> {
  const { code } = error as { code?: unknown }
  return {
    name: error.name,
    ...(typeof code === 'string' && { code }),
    message: shorten(error.message),
  }
}

function stackFrames(error: Error): string[] {
  const lines = (error.stack ?? '').split('\n').map((line) => line.trim())
  return lines.filter((line) => line.startsWith('at ')).slice(0, 12)
}

function shorten(message: string): string {
  return message.slice(0, maxMessageLength)
}
