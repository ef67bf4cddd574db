import { isJsonObject, type Usage } from '#libs/core'
import type { FrameContext } from '../dialect.ts'
import { parseProviderJson } from '../provider-json.ts'
import { toWireUsage } from './words.ts'

type JsonObject = Record<string, unknown>

/**
 * Puts the chunks of a stream together, also of one that broke off: parts one after the other, text that belongs
 * together as one part, and of everything else what was told last.
 */
export function collect(frames: readonly string[], context: FrameContext, usage?: Usage): string {
  let answer: JsonObject = {}
  const candidates = new Map<unknown, JsonObject>()
  for (const frame of frames) {
    const { candidates: told, ...others } = parseProviderJson(frame)
    if (others.error) continue
    answer = { ...answer, ...others }
    for (const candidate of Array.isArray(told) ? told : []) {
      if (!isJsonObject(candidate)) continue
      const index = candidate.index ?? 0
      candidates.set(index, addCandidate(candidates.get(index) ?? {}, candidate))
    }
  }
  if (usage !== undefined) answer.usageMetadata ??= toWireUsage(usage)
  return JSON.stringify({
    ...((candidates.size > 0 || answer.promptFeedback === undefined) && {
      candidates: [...candidates.values()],
    }),
    ...answer,
    modelVersion: answer.modelVersion ?? context.model,
    responseId: context.rid,
  })
}

/** A whole answer is a chunk like any other, and a stream of one. */
export function toFrames(answer: string): string[] {
  return [answer.replaceAll(/[\r\n]+/g, ' ')]
}

function addCandidate(known: JsonObject, candidate: JsonObject): JsonObject {
  const { content, citationMetadata, ...others } = candidate
  return {
    ...known,
    ...(isJsonObject(content) && { content: addContent(known.content, content) }),
    ...others,
    ...(isJsonObject(citationMetadata) && {
      citationMetadata: concatLists(known.citationMetadata, citationMetadata),
    }),
  }
}

function addContent(known: unknown, content: JsonObject): JsonObject {
  const before = isJsonObject(known) ? known : {}
  const parts: unknown[] = Array.isArray(before.parts) ? before.parts : []
  for (const part of Array.isArray(content.parts) ? content.parts : []) addPart(parts, part)
  return { ...before, ...content, parts }
}

/** A signature ends its text: what comes behind it is another part. */
function addPart(parts: unknown[], part: unknown): void {
  const last = parts.at(-1)
  if (isText(part) && isText(last) && part.thought === last.thought && last.thoughtSignature === undefined) {
    parts[parts.length - 1] = { ...last, ...part, text: last.text + part.text }
  } else parts.push(part)
}

function isText(part: unknown): part is JsonObject & { text: string } {
  return (
    isJsonObject(part) &&
    typeof part.text === 'string' &&
    Object.keys(part).every((key) => key === 'text' || key === 'thought' || key === 'thoughtSignature')
  )
}

function concatLists(known: unknown, told: JsonObject): JsonObject {
  const result: JsonObject = isJsonObject(known) ? { ...known } : {}
  for (const [name, value] of Object.entries(told)) {
    const before = result[name]
    result[name] = Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : value
  }
  return result
}
