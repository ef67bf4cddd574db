import { findTopLevelFields, isJsonObject } from '#libs/core'
import type { FrameContext } from '../dialect.ts'

type JsonObject = Record<string, unknown>

export interface ResponseObject extends JsonObject {
  status: string
  output: unknown[]
}

/** What a response repeats of its request, and what stands there if the request does not say it. */
const echoes: Readonly<JsonObject> = {
  background: false,
  instructions: null,
  max_output_tokens: null,
  max_tool_calls: null,
  parallel_tool_calls: true,
  previous_response_id: null,
  prompt_cache_key: null,
  reasoning: { effort: null, summary: null },
  safety_identifier: null,
  service_tier: null,
  store: true,
  temperature: null,
  text: { format: { type: 'text' } },
  tool_choice: 'auto',
  tools: [],
  top_logprobs: 0,
  top_p: null,
  truncation: 'disabled',
  user: null,
  metadata: {},
}

/** The response before anything was said. Settings that neither the client nor the dialect fixes are null. */
export function createResponseObject(context: FrameContext, status: string): ResponseObject {
  const { tools, ...said } = readFields(context.request, Object.keys(echoes))
  return {
    id: context.rid,
    object: 'response',
    created_at: context.createdAt,
    status,
    error: null,
    incomplete_details: null,
    model: context.model,
    output: [],
    usage: null,
    ...echoes,
    ...said,
    ...(Array.isArray(tools) && { tools: tools.map(withoutSecrets) }),
  }
}

/** Members of a request's body that are not null, without parsing its input, which may be megabytes. */
export function readFields(json: string | undefined, names: readonly string[]): JsonObject {
  const fields = json === undefined ? undefined : findTopLevelFields(json, names)
  const values = (fields ?? []).map((field): [string, unknown] => [
    field.name,
    JSON.parse((json ?? '').slice(field.start, field.end)),
  ])
  return Object.fromEntries(values.filter(([, value]) => value !== null))
}

/** A tool on a server of the client's comes with the key to it. */
function withoutSecrets(tool: unknown): unknown {
  if (!isJsonObject(tool)) return tool
  const { authorization: _authorization, headers: _headers, ...rest } = tool
  return rest
}
