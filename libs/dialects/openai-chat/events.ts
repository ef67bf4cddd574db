import type { ErrorRecord } from '#libs/core'

/** What ends every stream of OpenAI's older APIs. */
export const streamEnd = 'data: [DONE]\n\n'

export function toEvent(frame: string, id: string): string {
  // A chunk begins with its id, so no text in it can make it look like an error.
  return `id: ${id}\n${frame.startsWith('{"error":') ? 'event: error\n' : ''}data: ${frame}\n\n`
}

export function errorFrames(error: ErrorRecord, seq: number): string[] {
  return [`{"error":${toErrorText(error)},"sequence_number":${seq}}`]
}

export function errorBody(error: ErrorRecord): string {
  return `{"error":${toErrorText(error)}}`
}

/** All four keys are always there; the provider's own type and code stand before ours, since clients know them. */
function toErrorText(error: ErrorRecord): string {
  return JSON.stringify({
    message: error.message,
    type: error.raw?.type ?? error.type,
    param: error.param,
    code: error.raw?.code === undefined ? error.code : error.raw.code,
  })
}
