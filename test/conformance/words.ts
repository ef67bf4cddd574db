import type { FinishReason } from '#libs/core'

/** Words in which the matrix compares what has crossed the gateway, whatever the dialects on either side. */
export type Block =
  | { text: string }
  | { image: { mediaType: string; data: string } }
  | { call: { id: string; name: string; input: unknown }; signature?: string }
  | { result: { id: string; text: string } }
  | { thinking: string; signature?: string }

/** What an upstream was asked. */
export interface Sent {
  system: string
  turns: { role: 'user' | 'assistant'; blocks: Block[] }[]
  tools: string[]
  maxTokens: number | undefined
  schema: unknown
  /** Whether it was asked to think, and how much. */
  thinks: boolean
}

/** What is asked of a client. */
export interface Ask {
  model: string
  stream: boolean
  image?: boolean
  tools?: boolean
  schema?: boolean
  thinks?: boolean
  /** The answer to go on from, with a result for each of its calls, or with another question. */
  after?: Told
}

export interface ToolCall {
  id: string
  name: string
  input: unknown
}

/** What a client made of the answer. */
export interface Told {
  text: string
  thinking: string
  calls: ToolCall[]
  /** In the dialect's own word. */
  finish: string | null | undefined
  /** The provider's word, where the dialect tells it. */
  raw?: unknown
  usage: { input: number; output: number }
  /** The assistant's turn as this client sends it back. */
  turn: unknown
}

/** A client of one dialect. */
export interface Client {
  dialect: string
  /** The dialect's word for why an answer ended. */
  finishes: Readonly<Partial<Record<FinishReason['unified'], string>>>
  tellsRaw: boolean
  /** Rejects with a {@link Failure}. */
  ask(url: string, ask: Ask): Promise<Told>
}

/** How a call failed, and what had been said until then. */
export class Failure extends Error {
  readonly said: string
  readonly status: number | undefined

  constructor(error: unknown, said: string) {
    super(error instanceof Error ? error.message : String(error), { cause: error })
    this.said = said
    const { status } = error as { status?: unknown }
    this.status = typeof status === 'number' ? status : undefined
  }
}

export const system = 'Be brief.'
export const question = 'What is the weather in Paris?'
export const next = 'And now?'
export const result = 'sunny'
export const maxTokens = 100
export const image = { mediaType: 'image/png', data: 'iVBORw0KGgo=' }
export const schema = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
}
export const toolName = 'get_weather'
