import type { FinishReason, Part, Usage } from '#libs/core'
import type { FrameContext, FrameEncoder } from '../../dialect.ts'
import { sealReasoning } from '../reasoning-seal.ts'
import { createResponseObject, type ResponseObject } from '../response-object.ts'
import { toEnding, toWireUsage } from '../words.ts'
import { createEventWriter, type EventWriter } from './event-writer.ts'
import { createOutput, type Output } from './output.ts'

type Finish = Extract<Part, { type: 'finish' }>

/** Tells parts as the events of a response. */
export function createEncoder(context: FrameContext): FrameEncoder {
  const response = createResponseObject(context, 'in_progress')
  const output = createOutput(context.rid)
  let finish: FinishReason | undefined
  let usage: Usage | undefined
  return {
    encode(part, seq) {
      const events = createEventWriter(seq)
      if (part.type === 'start') {
        tellStart(events, response)
      } else if (part.type === 'finish') {
        finish = part.reason
        usage = part.usage
        tellFinish(events, response, part, output)
      } else {
        tellContent(events, part, output)
      }
      return events.frames
    },
    get observation() {
      return { finish, usage }
    },
  }
}

function tellStart(events: EventWriter, response: ResponseObject): void {
  if (response.background === true) {
    const queued = { ...response, status: 'queued' }
    events.write('response.created', { response: queued })
    events.write('response.queued', { response: queued })
  } else {
    events.write('response.created', { response })
  }
  events.write('response.in_progress', { response })
}

function tellContent(
  events: EventWriter,
  part: Exclude<Part, Finish | { type: 'start' }>,
  output: Output,
): void {
  switch (part.type) {
    case 'text-start':
      return output.message(events).startPart(events, 'output_text')
    case 'text-delta':
      return output.message(events).addText(events, part.text, part.logprobs)
    case 'text-end':
      return
    case 'refusal-delta':
      return output.message(events).addRefusal(events, part.text)
    case 'citation':
      return output.openMessage?.annotate(events, part.citation)
    case 'reasoning-start':
      output.closeBlock(events)
      output.reasoning(events)
      return
    case 'reasoning-delta':
      return output.reasoning(events).add(events, part.text)
    case 'reasoning-end': {
      const seal = sealReasoning(part)
      if (seal !== undefined) output.reasoning(events).seal(seal)
      return output.closeBlock(events)
    }
    case 'tool-call-start':
      return output.startCall(events, part)
    case 'tool-call-delta':
      return output.call(part.index)?.add(events, part.arguments)
    case 'tool-call-end':
      return output.closeCall(events, part.index)
  }
}

/** The provider's own reason goes along under the name that chat clients know it by. */
function tellFinish(
  events: EventWriter,
  begun: ResponseObject,
  { reason, usage }: Finish,
  output: Output,
): void {
  const { status, details } = toEnding(reason)
  const response = {
    ...begun,
    status,
    incomplete_details: details,
    output: output.end(events, status),
    ...(usage !== undefined && { usage: toWireUsage(usage) }),
    ...(reason.raw !== null && { native_finish_reason: reason.raw }),
  }
  events.write(`response.${status}`, { response })
}
