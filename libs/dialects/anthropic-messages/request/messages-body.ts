/**
 * A Messages request as far as it is translated: what `readRequest` has checked, as types. Kinds of blocks, tools and
 * sources that aren't listed may stand there too, hence the `default` branches of those who read them.
 */
export interface MessagesBody {
  model: string
  max_tokens: number
  messages: WireMessage[]
  stream?: boolean | null
  system?: string | TextBlock[] | null
  tools?: WireTool[] | null
  tool_choice?:
    | { type: 'auto' | 'any' | 'none'; disable_parallel_tool_use?: unknown }
    | { type: 'tool'; name: string; disable_parallel_tool_use?: unknown }
    | null
  stop_sequences?: string[] | null
  temperature?: number | null
  top_p?: number | null
  top_k?: number | null
  metadata?: { user_id?: unknown } | null
  thinking?: { type: string; budget_tokens?: unknown } | null
  output_config?: { effort?: unknown; format?: unknown } | null
  [other: string]: unknown
}

export interface WireMessage {
  role: 'user' | 'assistant' | 'system'
  content: string | Block[]
}

interface Cacheable {
  cache_control?: unknown
}

export type TextBlock = Cacheable & { type: 'text'; text: string }

export type Block =
  | TextBlock
  | (Cacheable & { type: 'image'; source: Source })
  | DocumentBlock
  | (Cacheable & { type: 'tool_use'; id: string; name: string; input: unknown; signature?: unknown })
  | ToolResultBlock
  | { type: 'thinking'; thinking: string; signature?: unknown }
  | { type: 'redacted_thinking'; data: string }

export type DocumentBlock = Cacheable & {
  type: 'document'
  source: Source
  title?: unknown
  context?: unknown
  citations?: unknown
}

export type ToolResultBlock = Cacheable & {
  type: 'tool_result'
  tool_use_id: string
  content?: string | Block[] | null
  is_error?: unknown
}

export type Source =
  | { type: 'base64'; media_type: string; data: string }
  | { type: 'text'; media_type?: unknown; data: string }
  | { type: 'url'; url: string }
  | { type: 'file'; file_id: string }

export type WireTool = Cacheable & {
  type?: 'custom' | null
  name: string
  description?: unknown
  input_schema: Record<string, unknown>
  strict?: unknown
}
