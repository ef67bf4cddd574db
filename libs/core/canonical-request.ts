/**
 * A chat request in the words that every dialect and provider share. The translated lane decodes the client's
 * body to this and the provider's adapter makes its own body of it. What has no field here travels in
 * `extensions` under the dialect's own name, so that an adapter that knows it can still honour it.
 */
export interface CanonicalRequest {
  /** The provider's model name, after routing. */
  model: string
  system: TextContent[]
  messages: Message[]
  tools: Tool[]
  toolChoice?: ToolChoice
  parallelToolCalls?: boolean
  maxOutputTokens?: number
  temperature?: number
  topP?: number
  topK?: number
  frequencyPenalty?: number
  presencePenalty?: number
  stop: string[]
  seed?: number
  responseFormat?: ResponseFormat
  reasoning?: { effort?: string; budgetTokens?: number }
  logprobs?: { top: number }
  user?: string
  extensions: Record<string, unknown>
}

/** One turn. A tool's result is a turn of its own, as in OpenAI's dialect. */
export type Message =
  | { role: 'user'; content: Content[] }
  | { role: 'assistant'; content: AssistantContent[] }
  | { role: 'tool'; toolCallId: string; name?: string; content: Content[]; isError?: boolean }

/** Marks the end of a prefix that the provider should keep; the lifetime is the provider's word, such as `5m`. */
export interface CacheMarker {
  ttl?: string
}

/** Text in any turn; `cache` marks it as the end of a prefix to keep. */
export interface TextContent {
  type: 'text'
  text: string
  cache?: CacheMarker
}

/** Bytes by reference or inline; `data` is base64. */
export type MediaSource = { url: string } | { data: string } | { fileId: string }

/** What a user or a tool can say. */
export type Content =
  | TextContent
  | { type: 'image'; source: MediaSource; mediaType?: string; detail?: string; cache?: CacheMarker }
  | { type: 'file'; source: MediaSource; mediaType?: string; filename?: string; cache?: CacheMarker }
  | { type: 'audio'; source: MediaSource; mediaType?: string; cache?: CacheMarker }
  | { type: 'video'; source: MediaSource; mediaType?: string; cache?: CacheMarker }

/** What a model can have said; `signature` and `redacted` are the provider's own, and go back to it unchanged. */
export type AssistantContent =
  | TextContent
  | { type: 'refusal'; text: string }
  | { type: 'reasoning'; text: string; signature?: string; redacted?: string }
  /** `arguments` is the JSON text as the model wrote it. */
  | {
      type: 'tool-call'
      id: string
      name: string
      arguments: string
      signature?: string
      cache?: CacheMarker
    }

/** A function that the model may ask for. */
export interface Tool {
  name: string
  description?: string
  /** A JSON Schema. */
  parameters: Record<string, unknown>
  strict?: boolean
  cache?: CacheMarker
}

/** Whether the model may, must or must not ask for a tool, or for which one. */
export type ToolChoice = 'auto' | 'none' | 'required' | { name: string }

/** The shape that the answer's text must have; free text if there is none. */
export type ResponseFormat =
  | { type: 'json' }
  | { type: 'json-schema'; name: string; schema: Record<string, unknown>; strict?: boolean }
