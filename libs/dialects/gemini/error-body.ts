import type { ErrorRecord } from '#libs/core'

const statuses: Readonly<Record<number, string>> = {
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  405: 'UNIMPLEMENTED',
  409: 'ABORTED',
  410: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  499: 'CANCELLED',
  500: 'INTERNAL',
  501: 'UNIMPLEMENTED',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
  529: 'UNAVAILABLE',
}

const ownStatuses: ReadonlySet<string> = new Set([
  ...Object.values(statuses),
  'INVALID_ARGUMENT',
  'FAILED_PRECONDITION',
  'OUT_OF_RANGE',
  'ALREADY_EXISTS',
  'UNKNOWN',
])

/**
 * Google's error JSON, the same as a body and as the last frame of a stream. Our code is the `reason` in `details`,
 * where Google's clients look for one; Google's own status stays when Google said it.
 */
export function toErrorBody(error: ErrorRecord): string {
  const { code, message, param, status, retryAfterMs, raw } = error
  const said = raw?.type
  return JSON.stringify({
    error: {
      code: status,
      message,
      status:
        typeof said === 'string' && ownStatuses.has(said)
          ? said
          : (statuses[status] ?? (status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL')),
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
          reason: code.toUpperCase(),
          domain: 'millrace',
          ...(param !== null && { metadata: { param } }),
        },
        ...(retryAfterMs === undefined
          ? []
          : [
              {
                '@type': 'type.googleapis.com/google.rpc.RetryInfo',
                retryDelay: `${retryAfterMs / 1000}s`,
              },
            ]),
      ],
    },
  })
}
