/**
 * The canonical stream: what a provider says, in the words that every dialect can be told in. It is used only in
 * the translated lane, where the client's dialect is not the provider's own.
 *
 * Order: `start`; then content, where a block (`text`, `reasoning`, one tool call) is a start, deltas and an
 * end that do not interleave with another block's, except that tool calls of one answer may interleave by
 * `index`; then exactly one `finish`. A stream that stops without `finish` is broken, whatever came before.
 */
export type Part =
  | { type: 'start'; id?: string; model?: string }
  | { type: 'text-start' }
  | { type: 'text-delta'; text: string; logprobs?: unknown }
  | { type: 'text-end' }
  | { type: 'refusal-delta'; text: string }
  | { type: 'reasoning-start' }
  | { type: 'reasoning-delta'; text: string }
  /** `signature` and `redacted` are opaque and must come back untouched with the next turn. */
  | { type: 'reasoning-end'; signature?: string; redacted?: string }
  | { type: 'tool-call-start'; index: number; id: string; name: string; signature?: string }
  | { type: 'tool-call-delta'; index: number; arguments: string }
  | { type: 'tool-call-end'; index: number }
  | { type: 'citation'; citation: Record<string, unknown> }
  | { type: 'finish'; reason: FinishReason; usage?: Usage }

/** Why the model stopped: our word beside the provider's own, which is never thrown away. */
export interface FinishReason {
  unified: 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'refusal' | 'pause' | 'other'
  raw: string | null
  /** The stop sequence that was met, where the provider tells. */
  stopSequence?: string
}

/** Tokens as the provider counted them. A field that the provider did not send is absent, never 0. */
export interface Usage {
  /** All input tokens, those read from and written to a cache included. */
  inputTokens?: number
  outputTokens?: number
  cacheReadTokens?: number
  cacheWriteTokens?: number
  /** The part of `cacheWriteTokens` that is kept for an hour and not for minutes. */
  cacheWrite1hTokens?: number
  /** A part of `outputTokens`, also of a provider that counts it beside its output. */
  reasoningTokens?: number
  /** What of the input and of the output is no text, where a provider tells that there was some. */
  inputAudioTokens?: number
  inputImageTokens?: number
  outputAudioTokens?: number
  outputImageTokens?: number
}
