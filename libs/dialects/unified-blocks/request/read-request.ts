import type { RequestSummary } from '../../dialect.ts'
import { checkSchema } from '../../request/checks.ts'
import { readMetadata } from '../../request/metadata.ts'
import { parseBody } from '../../request/parse-body.ts'
import { blocksBody, type BlocksBody } from './blocks-body.ts'

/** Checks the body; an answer is streamed unless the client says otherwise. */
export function readRequest(body: unknown): RequestSummary {
  const { model, stream, store, metadata } = readBody(body)
  return {
    model,
    stream: stream !== false,
    includeUsage: true,
    store: store === true,
    metadata: readMetadata(metadata),
  }
}

/** Throws `invalid_request` for the first thing that can't be meant. */
export function readBody(body: unknown): BlocksBody {
  const read = parseBody(blocksBody, body)
  for (const [index, { parameters }] of (read.tools ?? []).entries()) {
    checkSchema(parameters, `tools[${index}].parameters`)
  }
  if (read.response_format?.type === 'json_schema') {
    checkSchema(read.response_format.schema, 'response_format.schema')
  }
  return read
}
