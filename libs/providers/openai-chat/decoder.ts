import { GatewayError, isJsonObject, type FinishReason, type Part, type Usage } from '#libs/core'
import { readOpenAiError } from '../openai-error.ts'

type JsonObject = Record<string, unknown>

const reasons: ReadonlyMap<string, FinishReason['unified']> = new Map([
  ['stop', 'stop'],
  ['length', 'length'],
  ['model_length', 'length'],
  ['tool_calls', 'tool_calls'],
  ['function_call', 'tool_calls'],
  ['content_filter', 'content_filter'],
])

/**
 * Turns chat chunks to parts. The counts come behind the finish reason, in a chunk of their own, so the finish is told
 * with them, or at the stream's end mark where a server doesn't count.
 */
export function createDecoder(): (event: { event: string | undefined; data: string }) => Part[] {
  const tools = createToolCalls()
  let isStarted = false
  let isFinished = false
  let open: 'text' | 'reasoning' | undefined
  let raw: string | undefined

  function close(): Part[] {
    if (open === undefined) return []
    const end: Part = { type: `${open}-end` }
    open = undefined
    return [end]
  }

  function say(type: 'text' | 'reasoning', part: Part): Part[] {
    const parts = open === type ? [] : close()
    if (open === undefined) parts.push({ type: `${type}-start` })
    open = type
    return [...parts, part]
  }

  function finish(usage?: Usage): Part[] {
    if (raw === undefined || isFinished) return []
    isFinished = true
    // Some servers say `stop` when the model waits for its tools.
    const unified = raw === 'stop' && tools.count > 0 ? 'tool_calls' : (reasons.get(raw) ?? 'other')
    const end: Part = { type: 'finish', reason: { unified, raw }, ...(usage !== undefined && { usage }) }
    return [...close(), ...tools.close(), end]
  }

  function readDelta(delta: JsonObject, logprobs: unknown): Part[] {
    const parts: Part[] = []
    const { content, refusal, annotations, tool_calls: calls } = delta
    const reasoning = delta.reasoning_content ?? delta.reasoning
    if (isText(reasoning)) parts.push(...say('reasoning', { type: 'reasoning-delta', text: reasoning }))
    if (isText(content)) {
      const told = isJsonObject(logprobs) ? { logprobs } : {}
      parts.push(...say('text', { type: 'text-delta', text: content, ...told }))
    }
    if (isText(refusal)) parts.push(...close(), { type: 'refusal-delta', text: refusal })
    for (const citation of toObjects(annotations)) parts.push({ type: 'citation', citation })
    for (const call of toObjects(calls)) parts.push(...close(), ...tools.read(call))
    return parts
  }

  return ({ event, data }) => {
    const text = data.trim()
    if (text === '') return []
    if (text === '[DONE]') return finish()
    const chunk = parseChunk(text)
    if (event === 'error' || chunk.error) throw readOpenAiError(500, text)
    const parts: Part[] = []
    if (!isStarted) parts.push(toStart(chunk))
    isStarted = true
    const [choice] = toObjects(chunk.choices)
    if (choice !== undefined) {
      parts.push(...readDelta(isJsonObject(choice.delta) ? choice.delta : {}, choice.logprobs))
      if (isText(choice.finish_reason)) raw = choice.finish_reason
    }
    if (isJsonObject(chunk.usage)) parts.push(...finish(readUsage(chunk.usage)))
    return parts
  }
}

/** Calls are told by their index; a new id with a name is a new call, also where a server calls each of them 0. */
function createToolCalls() {
  const calls = new Map<unknown, { id: string; index: number }>()
  let count = 0

  function begin(call: JsonObject, name: unknown): Part[] {
    const index = count++
    const id = isText(call.id) ? call.id : `call_${index}`
    calls.set(call.index, { id, index })
    const google = isJsonObject(call.extra_content) ? call.extra_content.google : undefined
    const signature = isJsonObject(google) ? google.thought_signature : undefined
    return [
      {
        type: 'tool-call-start',
        index,
        id,
        name: isText(name) ? name : '',
        ...(isText(signature) && { signature }),
      },
    ]
  }

  return {
    get count() {
      return count
    },
    read(call: JsonObject): Part[] {
      const { name, arguments: json } = isJsonObject(call.function) ? call.function : {}
      const known = calls.get(call.index)
      const isNew = known === undefined || (isText(call.id) && call.id !== known.id && isText(name))
      const parts = isNew ? begin(call, name) : []
      const index = calls.get(call.index)?.index ?? 0
      return isText(json) ? [...parts, { type: 'tool-call-delta', index, arguments: json }] : parts
    },
    close(): Part[] {
      return Array.from({ length: count }, (_, index) => ({ type: 'tool-call-end', index }))
    },
  }
}

function toStart({ id, model }: JsonObject): Part {
  return { type: 'start', ...(isText(id) && { id }), ...(isText(model) && { model }) }
}

function readUsage(usage: JsonObject): Usage {
  const input = isJsonObject(usage.prompt_tokens_details) ? usage.prompt_tokens_details : {}
  const output = isJsonObject(usage.completion_tokens_details) ? usage.completion_tokens_details : {}
  const said = usage.completion_tokens
  const reasoning = output.reasoning_tokens
  // xAI alone counts the reasoning beside the output: its total then is the sum of all three.
  const isBeside =
    isCount(said) &&
    isCount(reasoning) &&
    usage.total_tokens === Number(usage.prompt_tokens) + said + reasoning
  const counts = {
    inputTokens: usage.prompt_tokens,
    outputTokens: isBeside ? said + reasoning : said,
    cacheReadTokens: input.cached_tokens ?? usage.prompt_cache_hit_tokens,
    cacheWriteTokens: input.cache_write_tokens,
    reasoningTokens: reasoning,
    inputAudioTokens: input.audio_tokens || undefined,
    inputImageTokens: input.image_tokens || undefined,
    outputAudioTokens: output.audio_tokens || undefined,
  }
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => typeof count === 'number'))
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && value > 0
}

function parseChunk(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text)
    if (isJsonObject(value)) return value
  } catch (cause) {
    throw new GatewayError('upstream_protocol_error', 'The provider sent what is no valid JSON.', { cause })
  }
  throw new GatewayError('upstream_protocol_error', 'The provider sent what is no JSON object.')
}

function toObjects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : []
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
