import type { Usage } from '#libs/core'
import type { FrameContext } from '../dialect.ts'
import { createContent, toAnswer, type AnswerBlock, type BlockEvent } from './answer.ts'

const lastEvents = /^\{"type":"(done|error)"/

/** The event that a frame is: each begins with its `type`, and what is neither of the last two tells of a block. */
export function eventName(frame: string): string {
  return lastEvents.exec(frame)?.[1] ?? 'block'
}

/** The last event holds the whole answer; without one, what was said until then. */
export function collect(frames: readonly string[], context: FrameContext, usage?: Usage): string {
  const last = frames.at(-1)
  if (last !== undefined && eventName(last) === 'done') return last
  const content = createContent()
  for (const frame of frames) {
    if (eventName(frame) === 'block') content.add(JSON.parse(frame) as BlockEvent)
  }
  return toAnswer(context, content.blocks, { usage })
}

/** A whole answer told as a stream: each block in one piece. */
export function toFrames(answer: string): string[] {
  const { content } = JSON.parse(answer) as { content: AnswerBlock[] }
  const events = content.flatMap((block, index) => toEvents(block, index))
  return [...events.map((event) => JSON.stringify(event)), answer]
}

function toEvents(block: AnswerBlock, index: number): BlockEvent[] {
  if (block.type === 'tool_call') return [{ ...block, index }]
  const { type, text, ...rest } = block
  const citations = 'citations' in rest ? (rest.citations ?? []) : []
  const seal = 'citations' in rest ? {} : rest
  return [
    ...(text === '' ? [] : [{ type, index, delta: text }]),
    ...citations.map((citation) => ({ type, index, citation })),
    ...(Object.keys(seal).length === 0 ? [] : [{ type, index, ...seal }]),
  ]
}
