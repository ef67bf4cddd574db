import { z } from 'zod'
import { closest } from '#libs/core'
import { mostTokens } from '../../request/checks.ts'

/**
 * A request in blocks. The dialect is ours and has no fields but these, so that a slip of the pen is told and not
 * passed over.
 */
function object<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return undefined
      const [unknown = ''] = issue.keys as string[]
      const near = closest(unknown, Object.keys(shape))
      return `there is no field '${unknown.slice(0, 64)}'${near === undefined ? '' : `: did you mean '${near}'?`}`
    },
  })
}

/** A text alone stands for one block of it. */
function contentOf<Block extends z.ZodType>(block: Block) {
  return z.preprocess(
    (value) => (typeof value === 'string' ? [{ type: 'text', text: value }] : value),
    z.array(block),
  )
}

const name = z
  .string()
  .min(1)
  .max(256)
  .regex(/^\P{Cc}*$/u, 'control characters are not allowed')
const free = z.record(z.string(), z.unknown())
const cache = z.union([z.boolean(), z.strictObject({ ttl: z.string().optional() })]).optional()

const text = object({
  type: z.literal('text'),
  text: z.string(),
  /** Of an answer that comes back: no provider takes them. */
  citations: z.array(z.unknown()).optional(),
  cache,
})

const webAddress = /^(?:https?:\/\/|data:)/i

function media<Type extends string>(type: Type) {
  const source = {
    url: z
      .string()
      .regex(webAddress, "expected one that starts with 'https://', 'http://' or 'data:'")
      .optional(),
    data: z.string().optional(),
    file_id: z.string().optional(),
  }
  return object({
    type: z.literal(type),
    ...source,
    media_type: z.string().optional(),
    filename: z.string().optional(),
    detail: z.string().optional(),
    cache,
  }).refine(
    (block) => [block.url, block.data, block.file_id].filter((given) => given !== undefined).length === 1,
    'expected exactly one of url, data and file_id',
  )
}

const shown = [text, media('image'), media('file'), media('audio'), media('video')] as const

const toolResult = object({
  type: z.literal('tool_result'),
  tool_call_id: z.string(),
  content: contentOf(z.discriminatedUnion('type', shown)).optional(),
  is_error: z.boolean().optional(),
  cache,
})

const userBlock = z.discriminatedUnion('type', [...shown, toolResult], {
  error: 'expected a block of the type text, image, file, audio, video or tool_result',
})

const assistantBlock = z.discriminatedUnion(
  'type',
  [
    text,
    object({ type: z.literal('refusal'), text: z.string() }),
    object({
      type: z.literal('thinking'),
      text: z.string().optional(),
      signature: z.string().optional(),
      redacted: z.string().optional(),
    }),
    object({
      type: z.literal('tool_call'),
      id: z.string(),
      name,
      arguments: z.union([free, z.string()], { error: 'expected an object, or its JSON as a text' }),
      signature: z.string().optional(),
      cache,
    }),
  ],
  { error: 'expected a block of the type text, refusal, thinking or tool_call' },
)

const message = z.discriminatedUnion(
  'role',
  [
    object({ role: z.literal('user'), content: contentOf(userBlock) }),
    object({ role: z.literal('assistant'), content: contentOf(assistantBlock) }),
  ],
  { error: 'expected user or assistant; instructions go into system, a result into a tool_result block' },
)

const tool = object({
  name,
  description: z.string().optional(),
  parameters: free.optional(),
  strict: z.boolean().optional(),
  cache,
})

const responseFormat = z.discriminatedUnion(
  'type',
  [
    object({ type: z.literal('text') }),
    object({ type: z.literal('json') }),
    object({
      type: z.literal('json_schema'),
      name: name.optional(),
      schema: free,
      strict: z.boolean().optional(),
    }),
  ],
  { error: 'expected text, json or json_schema' },
)

const stop = z.preprocess(
  (value) => (typeof value === 'string' ? [value] : value),
  z.array(z.string().min(1)).max(16),
)

export const blocksBody = object({
  model: name,
  system: contentOf(text).optional(),
  messages: z.array(message).min(1).max(10_000),
  tools: z.array(tool).optional(),
  tool_choice: z
    .union([z.enum(['auto', 'none', 'required']), object({ name })], {
      error: "expected auto, none, required or {name: '…'}",
    })
    .optional(),
  parallel_tool_calls: z.boolean().optional(),
  max_tokens: z.int().min(1).max(mostTokens).optional(),
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().min(0).max(1).optional(),
  top_k: z.int().min(0).max(mostTokens).optional(),
  seed: z.int().optional(),
  stop: stop.optional(),
  response_format: responseFormat.optional(),
  reasoning: object({
    effort: z.string().optional(),
    budget_tokens: z.int().min(0).max(mostTokens).optional(),
  }).optional(),
  user: z.string().optional(),
  metadata: free.optional(),
  store: z.boolean().optional(),
  stream: z.boolean().optional(),
})

export type BlocksBody = z.output<typeof blocksBody>
export type UserBlock = z.output<typeof userBlock>
export type AssistantBlock = z.output<typeof assistantBlock>
