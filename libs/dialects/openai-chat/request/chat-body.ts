/**
 * A chat request as far as it is translated: what `readRequest` has checked, as types. Kinds of parts, tools and
 * formats that aren't listed may stand there too, hence the `default` branches of those who read them.
 */
export interface ChatBody {
  model: string
  messages: ChatMessage[]
  stream?: boolean | null
  stream_options?: unknown
  store?: boolean | null
  metadata?: unknown
  tools?: ChatTool[] | null
  tool_choice?:
    | 'none'
    | 'auto'
    | 'required'
    | 'any'
    | { type: 'function'; function: { name: string } }
    | { type: 'custom' | 'allowed_tools' }
    | null
  parallel_tool_calls?: boolean | null
  max_completion_tokens?: number | null
  max_tokens?: number | null
  temperature?: number | null
  top_p?: number | null
  top_k?: unknown
  frequency_penalty?: number | null
  presence_penalty?: number | null
  stop?: string | string[] | null
  seed?: number | null
  response_format?:
    | { type: 'text' | 'json_object' | 'grammar' }
    | {
        type: 'json_schema'
        json_schema: { name: string; schema?: Record<string, unknown> | null; strict?: unknown }
      }
    | null
  reasoning_effort?: string | null
  logprobs?: boolean | null
  top_logprobs?: number | null
  user?: string | null
  [other: string]: unknown
}

export type ChatMessage =
  | { role: 'system' | 'developer' | 'user'; content: string | ChatPart[] }
  | {
      role: 'assistant'
      content?: string | ChatPart[] | null
      refusal?: unknown
      reasoning_content?: unknown
      reasoning_details?: unknown
      tool_calls?: ChatToolCall[] | null
    }
  | { role: 'tool'; tool_call_id: string; name?: unknown; content: string | ChatPart[] }
  | { role: 'function' }

/** `cache_control` is Anthropic's marker, which the chat clients of several gateways send too. */
interface Cacheable {
  cache_control?: unknown
  prompt_cache_breakpoint?: unknown
}

export type ChatPart = Cacheable &
  (
    | { type: 'text'; text: string }
    | { type: 'refusal'; refusal: string }
    | { type: 'image_url'; image_url: ChatMedia }
    | { type: 'audio_url'; audio_url: ChatMedia }
    | { type: 'video_url'; video_url: ChatMedia }
    | { type: 'input_audio'; input_audio: { data: string; format: string } }
    | { type: 'file'; file: { file_id?: unknown; file_data?: unknown; filename?: unknown } }
  )

export type ChatMedia = string | { url: string; detail?: unknown }

export interface ChatToolCall {
  id: string
  type?: 'function' | 'custom'
  function: { name: string; arguments: string }
  extra_content?: unknown
}

export type ChatTool = Cacheable &
  (
    | {
        type: 'function'
        function: {
          name: string
          description?: unknown
          parameters?: Record<string, unknown> | null
          strict?: unknown
        }
      }
    | { type: 'custom' }
  )
