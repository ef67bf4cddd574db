import type {
  AssistantContent,
  CacheMarker,
  CanonicalRequest,
  Content,
  Message,
  ResponseFormat,
} from '#libs/core'
import { decodeMedia } from '../../request/media.ts'
import type { AssistantBlock, BlocksBody, UserBlock } from './blocks-body.ts'
import { readBody } from './read-request.ts'

type Shown = Exclude<UserBlock, { type: 'tool_result' }>
type Cached = { cache?: boolean | { ttl?: string | undefined } | undefined }

/** The body in canonical words, all of it: the dialect has nothing that they have not. */
export function decodeRequest(body: unknown, model: string): CanonicalRequest {
  const read = readBody(body)
  const { effort, budget_tokens: budgetTokens } = read.reasoning ?? {}
  const format = decodeFormat(read.response_format)
  return {
    model,
    system: (read.system ?? []).map((block) => ({ type: 'text', text: block.text, ...toCache(block) })),
    messages: read.messages.flatMap(({ role, content }, index) =>
      role === 'user'
        ? decodeUser(content, `messages[${index}].content`)
        : [{ role, content: content.map(decodeAssistant) }],
    ),
    tools: (read.tools ?? []).map(({ name, description, parameters, strict, cache }) => ({
      name,
      parameters: parameters ?? { type: 'object', properties: {} },
      ...(description !== undefined && { description }),
      ...(strict !== undefined && { strict }),
      ...toCache({ cache }),
    })),
    stop: read.stop ?? [],
    ...(read.tool_choice !== undefined && { toolChoice: read.tool_choice }),
    ...(read.parallel_tool_calls !== undefined && { parallelToolCalls: read.parallel_tool_calls }),
    ...(read.max_tokens !== undefined && { maxOutputTokens: read.max_tokens }),
    ...(read.temperature !== undefined && { temperature: read.temperature }),
    ...(read.top_p !== undefined && { topP: read.top_p }),
    ...(read.top_k !== undefined && { topK: read.top_k }),
    ...(read.seed !== undefined && { seed: read.seed }),
    ...(format !== undefined && { responseFormat: format }),
    ...(read.reasoning !== undefined && {
      reasoning: {
        ...(effort !== undefined && { effort }),
        ...(budgetTokens !== undefined && { budgetTokens }),
      },
    }),
    ...(read.user !== undefined && { user: read.user }),
    extensions: {},
  }
}

/** Each result becomes a message of its own, between those of what else the user says. */
function decodeUser(blocks: readonly UserBlock[], param: string): Message[] {
  const messages: Message[] = []
  let said: Content[] | undefined
  for (const [index, block] of blocks.entries()) {
    const at = `${param}[${index}]`
    if (block.type === 'tool_result') {
      said = undefined
      messages.push(decodeResult(block, at))
      continue
    }
    if (said === undefined) messages.push({ role: 'user', content: (said = []) })
    said.push(decodeShown(block, at))
  }
  return messages
}

function decodeResult(block: Extract<UserBlock, { type: 'tool_result' }>, param: string): Message {
  const content = (block.content ?? []).map((inner, at) => decodeShown(inner, `${param}.content[${at}]`))
  const last = content.at(-1)
  // A canonical result has no marker of its own: behind its last content the prefix ends at the same place.
  if (last !== undefined) Object.assign(last, toCache(block))
  return {
    role: 'tool',
    toolCallId: block.tool_call_id,
    content,
    ...(block.is_error === true && { isError: true }),
  }
}

function decodeShown(block: Shown, param: string): Content {
  if (block.type === 'text') return { type: 'text', text: block.text, ...toCache(block) }
  const { type, url, data, file_id: fileId = '', media_type: mediaType, filename, detail } = block
  const source =
    url !== undefined
      ? decodeMedia(url, `${param}.url`)
      : { source: data === undefined ? { fileId } : { data } }
  return {
    type,
    ...source,
    ...(mediaType !== undefined && { mediaType: mediaType.toLowerCase() }),
    ...(type === 'file' && filename !== undefined && { filename }),
    ...(type === 'image' && detail !== undefined && { detail }),
    ...toCache(block),
  }
}

function decodeAssistant(block: AssistantBlock): AssistantContent {
  switch (block.type) {
    case 'text':
      return { type: 'text', text: block.text, ...toCache(block) }
    case 'refusal':
      return block
    case 'thinking': {
      const { text = '', signature, redacted } = block
      return {
        type: 'reasoning',
        text,
        ...(signature !== undefined && { signature }),
        ...(redacted !== undefined && { redacted }),
      }
    }
    case 'tool_call': {
      const { id, name, arguments: given, signature } = block
      return {
        type: 'tool-call',
        id,
        name,
        arguments: typeof given === 'string' ? given : JSON.stringify(given),
        ...(signature !== undefined && { signature }),
        ...toCache(block),
      }
    }
  }
}

function decodeFormat(format: BlocksBody['response_format']): ResponseFormat | undefined {
  if (format === undefined || format.type === 'text') return undefined
  if (format.type === 'json') return format
  const { name = 'answer', schema, strict } = format
  return { type: 'json-schema', name, schema, ...(strict !== undefined && { strict }) }
}

function toCache({ cache }: Cached): { cache?: CacheMarker } {
  if (cache === undefined || cache === false) return {}
  return { cache: cache === true || cache.ttl === undefined ? {} : { ttl: cache.ttl } }
}
