import type { FinishReason, Usage } from '#libs/core'
import type { FrameContext } from '../dialect.ts'

/** A block of an answer, as a client may send it back with its next request. */
export type AnswerBlock =
  | { type: 'text'; text: string; citations?: unknown[] }
  | { type: 'refusal'; text: string }
  | { type: 'thinking'; text: string; signature?: string; redacted?: string }
  /** `arguments` is the object that the model wrote; its text where that is not whole, or no JSON object. */
  | { type: 'tool_call'; id: string; name: string; arguments: unknown; signature?: string }

/** What an event tells of the block at `index`: a piece of its text, or a tool call with all that it is. */
export interface BlockEvent {
  type: AnswerBlock['type']
  index: number
  delta?: string
  citation?: unknown
  signature?: string
  redacted?: string
  id?: string
  name?: string
  arguments?: unknown
}

/** Puts the events of a stream together. */
export function createContent() {
  const blocks: AnswerBlock[] = []
  return {
    blocks: blocks as readonly AnswerBlock[],
    add(event: BlockEvent): void {
      const known = blocks[event.index]
      if (known === undefined) blocks[event.index] = begin(event)
      else grow(known, event)
    },
  }
}

function begin(event: BlockEvent): AnswerBlock {
  const { type, id = '', name = '' } = event
  const block: AnswerBlock =
    type === 'tool_call' ? { type, id, name, arguments: event.arguments ?? '' } : { type, text: '' }
  grow(block, event)
  return block
}

function grow(
  block: AnswerBlock,
  { delta, citation, signature, redacted, arguments: whole }: BlockEvent,
): void {
  if (block.type === 'tool_call') {
    if (delta !== undefined && typeof block.arguments === 'string') block.arguments += delta
    if (whole !== undefined) block.arguments = whole
  } else if (delta !== undefined) block.text += delta
  if (block.type === 'text' && citation !== undefined) (block.citations ??= []).push(citation)
  if (block.type === 'thinking' && redacted !== undefined) block.redacted = redacted
  if ((block.type === 'thinking' || block.type === 'tool_call') && signature !== undefined) {
    block.signature = signature
  }
}

/** The whole answer, as the event `done` and as JSON; `finish` is null for one that broke off. */
export function toAnswer(
  context: FrameContext,
  content: readonly AnswerBlock[],
  { finish, usage }: { finish?: FinishReason | undefined; usage?: Usage | undefined },
): string {
  return JSON.stringify({
    type: 'done',
    id: context.rid,
    model: context.model,
    created_at: context.createdAt,
    content,
    finish: finish === undefined ? null : toFinish(finish),
    tokens: usage === undefined ? null : toTokens(usage),
  })
}

function toFinish({ unified, raw, stopSequence }: FinishReason): object {
  return { unified, raw, ...(stopSequence !== undefined && { stop_sequence: stopSequence }) }
}

/** Only what the provider counted. */
function toTokens(usage: Usage): object {
  return {
    input: usage.inputTokens,
    output: usage.outputTokens,
    cache_read: usage.cacheReadTokens,
    cache_write: usage.cacheWriteTokens,
    thinking: usage.reasoningTokens,
  }
}
