import { findTopLevelFields, type Usage } from '#libs/core'
import type { FrameContext } from '../../dialect.ts'
import { createResponseObject } from '../response-object.ts'
import { isTerminalType, readType, toWireUsage } from '../words.ts'
import { assembleResponse } from './assemble.ts'

/** The terminal event holds the whole response, and its text is the answer; without one, what was said until then. */
export function collect(frames: readonly string[], context: FrameContext, usage?: Usage): string {
  const terminal = frames.findLast((frame) => isTerminalType(readType(frame)))
  const field = terminal === undefined ? undefined : findTopLevelFields(terminal, ['response'])?.[0]
  if (terminal !== undefined && field !== undefined) return terminal.slice(field.start, field.end)
  const response = assembleResponse(frames) ?? createResponseObject(context, 'in_progress')
  return JSON.stringify(usage === undefined ? response : { ...response, usage: toWireUsage(usage) })
}
