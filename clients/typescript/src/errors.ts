/** An answer of the gateway that is an error. `code` is what to branch on. */
export class MillraceError extends Error {
  readonly status: number
  readonly code: string | undefined
  /** For those who look into the gateway's logs. */
  readonly requestId: string | undefined
  readonly retryAfterMs: number | undefined

  constructor(status: number, message: string, details: Partial<MillraceError> = {}) {
    super(message)
    this.name = 'MillraceError'
    this.status = status
    this.code = details.code
    this.requestId = details.requestId
    this.retryAfterMs = details.retryAfterMs
  }

  /** Reads the body; whatever the gateway or a proxy before it has sent becomes an error. */
  static async from(response: Response): Promise<MillraceError> {
    const text = await response.text()
    const { message, code } = readError(text)
    const retryAfter = response.headers.get('retry-after')
    return new MillraceError(response.status, message ?? `The gateway answered ${response.status}.`, {
      ...(code !== undefined && { code }),
      ...(response.headers.has('x-request-id') && { requestId: response.headers.get('x-request-id') ?? '' }),
      ...(retryAfter !== null && /^\d+$/.test(retryAfter) && { retryAfterMs: Number(retryAfter) * 1000 }),
    })
  }
}

function readError(text: string): { message?: string; code?: string } {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown; code?: unknown; type?: unknown } }
    const code = typeof error?.code === 'string' ? error.code : error?.type
    return {
      ...(typeof error?.message === 'string' && { message: error.message }),
      ...(typeof code === 'string' && { code }),
    }
  } catch {
    return {}
  }
}
