import { isJsonObject, type Usage } from '#libs/core'
import type { FrameContext } from '../dialect.ts'
import { createChunkWriter } from '../openai-chat/chunk.ts'
import { toWireUsage } from '../openai-chat/words.ts'

type JsonObject = Record<string, unknown>

/** Puts the frames of a stream together, also of one that broke off: then no choice has a `finish_reason`. */
export function collect(frames: readonly string[], context: FrameContext, usage?: Usage): string {
  const choices = new Map<unknown, JsonObject>()
  let told: unknown = usage === undefined ? undefined : toWireUsage(usage)
  for (const frame of frames) {
    const chunk = JSON.parse(frame) as JsonObject
    if (isJsonObject(chunk.usage)) told = chunk.usage
    for (const choice of Array.isArray(chunk.choices) ? chunk.choices.filter(isJsonObject) : []) {
      const known = choices.get(choice.index)
      choices.set(choice.index, known === undefined ? choice : addChoice(known, choice))
    }
  }
  return JSON.stringify({
    id: context.rid,
    object: 'text_completion',
    created: context.createdAt,
    model: context.model,
    choices: [...choices.values()].toSorted((a, b) => Number(a.index) - Number(b.index)),
    ...(told !== undefined && { usage: told }),
  })
}

/** A whole answer told as a stream: each choice is one chunk. */
export function toFrames(answer: string, context: FrameContext): string[] {
  const writeChunk = createChunkWriter(context, 'text_completion')
  const { choices, usage } = JSON.parse(answer) as JsonObject
  const frames = (Array.isArray(choices) ? choices : []).map((choice, seq) =>
    writeChunk(seq, JSON.stringify([choice])),
  )
  if (context.includeUsage && isJsonObject(usage)) {
    frames.push(writeChunk(frames.length, '[]', `,"usage":${JSON.stringify(usage)}}`))
  }
  return frames
}

function addChoice(known: JsonObject, choice: JsonObject): JsonObject {
  return {
    ...known,
    text: textOf(known) + textOf(choice),
    logprobs: addLogprobs(known.logprobs, choice.logprobs),
    finish_reason: choice.finish_reason ?? known.finish_reason,
  }
}

function textOf({ text }: JsonObject): string {
  return typeof text === 'string' ? text : ''
}

/** Lists of one entry a token, which are joined. */
function addLogprobs(known: unknown, more: unknown): unknown {
  if (!isJsonObject(known) || !isJsonObject(more)) return known ?? more ?? null
  const lists = Object.entries(more).map(([name, list]) => {
    const before = known[name]
    return [name, Array.isArray(before) && Array.isArray(list) ? [...before, ...list] : list]
  })
  return Object.fromEntries(lists)
}
