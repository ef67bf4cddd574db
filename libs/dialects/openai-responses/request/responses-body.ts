/**
 * A request as far as it is translated: what `readRequest` has checked, as types. Kinds of items, parts, tools and
 * formats that aren't listed may stand there too, hence the `default` branches of those who read them.
 */
export interface ResponsesBody {
  model: string
  input?: string | InputItem[] | null
  instructions?: string | null
  stream?: unknown
  stream_options?: unknown
  store?: unknown
  background?: unknown
  metadata?: unknown
  previous_response_id?: string | null
  tools?: ResponsesTool[] | null
  tool_choice?:
    | 'none'
    | 'auto'
    | 'required'
    | { type: 'function'; name: string }
    | { type: 'allowed_tools' }
    | null
  parallel_tool_calls?: boolean | null
  max_output_tokens?: number | null
  temperature?: number | null
  top_p?: number | null
  text?: { format?: TextFormat | null; verbosity?: unknown } | null
  reasoning?: { effort?: string | null; summary?: unknown } | null
  include?: string[] | null
  top_logprobs?: number | null
  user?: string | null
  [other: string]: unknown
}

export type TextFormat =
  | { type: 'text' | 'json_object' | 'grammar' }
  | { type: 'json_schema'; name: string; schema?: Record<string, unknown> | null; strict?: unknown }

export type InputItem =
  | { type?: 'message'; role: MessageRole; content: string | InputPart[] }
  | { type: 'function_call'; call_id: string; name: string; arguments: string; extra_content?: unknown }
  | { type: 'function_call_output'; call_id: string; output: string | InputPart[] }
  | { type: 'reasoning'; summary?: unknown; content?: unknown; encrypted_content?: unknown }
  | { type: 'item_reference' }

export type MessageRole = 'system' | 'developer' | 'user' | 'assistant'

export type InputPart =
  | { type: 'input_text' | 'output_text'; text: string }
  | { type: 'refusal'; refusal: string }
  | { type: 'input_image'; image_url?: string | null; file_id?: string | null; detail?: unknown }
  | {
      type: 'input_file'
      file_url?: unknown
      file_data?: unknown
      file_id?: unknown
      filename?: unknown
    }
  | { type: 'input_audio'; input_audio: { data: string; format: string } }

export type ResponsesTool =
  | {
      type: 'function'
      name: string
      description?: unknown
      parameters?: Record<string, unknown> | null
      strict?: unknown
    }
  | { type: 'custom' }
