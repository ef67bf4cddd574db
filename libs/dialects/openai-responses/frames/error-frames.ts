import { isJsonObject, type ErrorRecord } from '#libs/core'
import type { ToldStream } from '../../dialect.ts'
import { createResponseObject } from '../response-object.ts'
import { isTerminalType, readType } from '../words.ts'
import { assembleResponse } from './assemble.ts'
import { createEventWriter } from './event-writer.ts'

/**
 * Ends the stream with all that was said until then. A failure is an `error` and then `response.failed`; for a
 * cancelled response clients know no event, so it is `response.incomplete` with the status `cancelled`. Nothing
 * comes before `response.created`, and nothing after a terminal event.
 */
export function errorFrames(error: ErrorRecord, seq: number, { context, frames }: ToldStream): string[] {
  const last = frames.at(-1)
  if (last !== undefined && isTerminalType(readType(last))) return []
  const events = createEventWriter(seq)
  const told = assembleResponse(frames)
  const response = told ?? createResponseObject(context, 'in_progress')
  if (told === undefined) events.write('response.created', { response })
  const output = response.output.map(breakOff)
  if (error.code === 'cancelled') {
    const details = { status: 'cancelled', incomplete_details: { reason: 'cancelled' } }
    events.write('response.incomplete', { response: { ...response, ...details, output } })
    return events.frames
  }
  const { message, param } = error
  const code = error.raw?.code ?? error.code
  const type = error.raw?.type ?? error.type
  // The schema is flat, and OpenAI's own wire nests: clients of either find what they look for.
  events.write('error', { code, message, param, error: { type, code, message, param } })
  events.write('response.failed', {
    response: { ...response, status: 'failed', error: { code, message }, output },
  })
  return events.frames
}

function breakOff(item: unknown): unknown {
  return isJsonObject(item) && item.status === 'in_progress' ? { ...item, status: 'incomplete' } : item
}
