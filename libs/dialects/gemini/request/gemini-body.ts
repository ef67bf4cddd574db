import { z } from 'zod'
import { isJsonObject } from '#libs/core'
import { parseBody } from '../../request/parse-body.ts'

/**
 * A generateContent request as far as the gateway reads it. Everything else passes: the provider may know it.
 *
 * Google's servers take each name as `camelCase` and as `snake_case`, and one object where a list is meant; its own
 * examples do both, so both are read here.
 */
function object<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.preprocess(toCamelKeys, z.looseObject(shape))
}

function list<Item extends z.ZodType>(item: Item) {
  return z.preprocess((value) => (isJsonObject(value) ? [value] : value), z.array(item))
}

function toCamelKeys(value: unknown): unknown {
  if (!isJsonObject(value)) return value
  if (!Object.keys(value).some((key) => key.includes('_'))) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      item,
    ]),
  )
}

/** What its author chose the keys of: arguments, results, schemas. */
const free = z.record(z.string(), z.unknown())
const name = z.string().min(1)

const inlineData = object({ mimeType: z.string(), data: z.string() })

const part = object({
  text: z.string().nullish(),
  thought: z.boolean().nullish(),
  thoughtSignature: z.string().nullish(),
  partMetadata: free.nullish(),
  inlineData: inlineData.nullish(),
  fileData: object({ fileUri: z.string(), mimeType: z.string().nullish() }).nullish(),
  functionCall: object({ name, id: z.string().nullish(), args: free.nullish() }).nullish(),
  functionResponse: object({
    name,
    id: z.string().nullish(),
    response: free.nullish(),
    parts: list(object({ inlineData: inlineData.nullish() })).nullish(),
  }).nullish(),
})

const content = object({
  role: z.enum(['user', 'model', 'function', '']).nullish(),
  parts: list(part).nullish(),
})

const functionDeclaration = object({
  name,
  description: z.string().nullish(),
  parameters: free.nullish(),
  parametersJsonSchema: z.unknown().optional(),
})

const generationConfig = object({
  temperature: z.number().nullish(),
  topP: z.number().nullish(),
  topK: z.number().nullish(),
  maxOutputTokens: z.number().nullish(),
  candidateCount: z.number().nullish(),
  seed: z.number().nullish(),
  presencePenalty: z.number().nullish(),
  frequencyPenalty: z.number().nullish(),
  stopSequences: z.array(z.string()).nullish(),
  responseMimeType: z.string().nullish(),
  responseSchema: free.nullish(),
  responseJsonSchema: z.unknown().optional(),
  responseModalities: z.array(z.string()).nullish(),
  responseLogprobs: z.boolean().nullish(),
  thinkingConfig: object({
    thinkingBudget: z.number().nullish(),
    thinkingLevel: z.string().nullish(),
  }).nullish(),
})

const functionCallingConfig = object({
  mode: z.string().nullish(),
  allowedFunctionNames: z.array(z.string()).nullish(),
})

const body = object({
  contents: list(content).refine(({ length }) => length > 0, 'is empty: it needs at least one content'),
  systemInstruction: z.preprocess(
    (value) => (typeof value === 'string' ? { parts: [{ text: value }] } : value),
    content.nullish(),
  ),
  tools: list(object({ functionDeclarations: list(functionDeclaration).nullish() })).nullish(),
  toolConfig: object({ functionCallingConfig: functionCallingConfig.nullish() }).nullish(),
  generationConfig: generationConfig.nullish(),
  cachedContent: z.string().nullish(),
})

export type GeminiBody = z.output<typeof body>
export type GeminiContent = z.output<typeof content>
export type GeminiPart = z.output<typeof part>

/** Throws `invalid_request` for the first thing that can't be meant, with its path as `param`. */
export function readBody(value: unknown): GeminiBody {
  return parseBody(body, value)
}
