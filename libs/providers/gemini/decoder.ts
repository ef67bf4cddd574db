import { randomUUID } from 'node:crypto'
import { GatewayError, isJsonObject, type Part } from '#libs/core'
import { toCitations } from './citations.ts'
import { readGeminiError } from './read-error.ts'
import { readFinishReason, readUsage } from './words.ts'

type JsonObject = Record<string, unknown>
type Block = 'text' | 'reasoning'

/**
 * Turns generateContent chunks to parts. A chunk's parts go on with the block of the chunk before when they are of
 * its kind. A blocked prompt is an error, since no word of an answer was said.
 */
export function createDecoder(): (event: { event: string | undefined; data: string }) => Part[] {
  const answer = createAnswer()
  let isStarted = false
  let isEnded = false

  return ({ event, data }) => {
    if (data.trim() === '' || isEnded) return []
    const chunk = parseChunk(data)
    if (event === 'error' || isJsonObject(chunk.error)) throw readStreamError(chunk, data)
    const candidate: unknown = Array.isArray(chunk.candidates) ? chunk.candidates[0] : undefined
    if (candidate === undefined) refuseBlocked(chunk.promptFeedback)
    const { content, finishReason, ...about }: JsonObject = isJsonObject(candidate) ? candidate : {}
    const parts: Part[] = isStarted ? [] : [toStart(chunk)]
    isStarted = true
    const told: unknown[] = isJsonObject(content) && Array.isArray(content.parts) ? content.parts : []
    for (const part of told) parts.push(...answer.add(part))
    const citations = toCitations(about, answer.text)
    if (citations.length > 0) parts.push(...answer.close(), ...citations)
    if (typeof finishReason !== 'string') return parts
    isEnded = true
    const usage = readUsage(chunk.usageMetadata)
    const reason = readFinishReason(finishReason, answer.hasCalled)
    return [...parts, ...answer.close(), { type: 'finish', reason, ...(usage !== undefined && { usage }) }]
  }
}

/** The answer as far as it was told: which block is open, its text, its calls. */
function createAnswer() {
  let open: Block | undefined
  let text = ''
  let calls = 0

  function close(signature?: string): Part[] {
    const block = open
    open = undefined
    if (block === undefined) return []
    if (block === 'text') return [{ type: 'text-end' }]
    return [{ type: 'reasoning-end', ...(signature !== undefined && { signature }) }]
  }

  function tell(block: Block, told: string): Part[] {
    const parts = open === block ? [] : [...close(), { type: `${block}-start` } as const]
    open = block
    if (block === 'text') text += told
    return [...parts, { type: `${block}-delta`, text: told }]
  }

  function addText(told: string, isThought: boolean, signature: string | undefined): Part[] {
    // The last chunk often has an empty text, which opens no block.
    const parts = told === '' ? [] : tell(isThought ? 'reasoning' : 'text', told)
    if (signature === undefined) return parts
    if (open === 'reasoning') return [...parts, ...close(signature)]
    // Canonical text bears no signature: it follows as reasoning without a word.
    return [...parts, ...close(), { type: 'reasoning-start' }, { type: 'reasoning-end', signature }]
  }

  return {
    close,
    add(part: unknown): Part[] {
      if (!isJsonObject(part)) return []
      const { functionCall, text: told, thought, thoughtSignature } = part
      const signature = typeof thoughtSignature === 'string' ? thoughtSignature : undefined
      if (isJsonObject(functionCall)) return [...close(), ...toCall(functionCall, calls++, signature)]
      if (typeof told === 'string') return addText(told, thought === true, signature)
      if (signature !== undefined) return addText('', false, signature)
      if (!isJsonObject(part.inlineData)) return []
      throw protocolError('The model answered with a picture or sound, which only its own dialect can tell.')
    },
    get text() {
      return text
    },
    get hasCalled() {
      return calls > 0
    },
  }
}

function toCall(call: JsonObject, index: number, signature: string | undefined): Part[] {
  return [
    {
      type: 'tool-call-start',
      index,
      id: typeof call.id === 'string' && call.id !== '' ? call.id : `call_${randomUUID()}`,
      name: String(call.name),
      ...(signature !== undefined && { signature }),
    },
    { type: 'tool-call-delta', index, arguments: JSON.stringify(call.args ?? {}) },
    { type: 'tool-call-end', index },
  ]
}

function toStart(chunk: JsonObject): Part {
  return {
    type: 'start',
    ...(typeof chunk.responseId === 'string' && { id: chunk.responseId }),
    ...(typeof chunk.modelVersion === 'string' && { model: chunk.modelVersion }),
  }
}

function refuseBlocked(feedback: unknown): void {
  if (!isJsonObject(feedback) || typeof feedback.blockReason !== 'string') return
  const message = typeof feedback.blockReasonMessage === 'string' ? `: ${feedback.blockReasonMessage}` : '.'
  throw new GatewayError(
    'content_policy',
    `The provider blocked the prompt (${feedback.blockReason})${message}`,
  )
}

function readStreamError(chunk: JsonObject, data: string): GatewayError {
  const status = isJsonObject(chunk.error) ? chunk.error.code : undefined
  return readGeminiError(typeof status === 'number' && status >= 400 && status < 600 ? status : 500, data)
}

function parseChunk(data: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {
    throw protocolError('The provider sent a chunk that is no valid JSON.')
  }
  if (isJsonObject(value)) return value
  throw protocolError('The provider sent a chunk that is no JSON object.')
}

function protocolError(message: string): GatewayError {
  return new GatewayError('upstream_protocol_error', message)
}
