import { createParser } from 'eventsource-parser'
import type { JsonObject } from '../../support/http.ts'
import {
  Failure,
  image,
  maxTokens,
  next,
  question,
  result,
  schema,
  system,
  toolName,
  type Ask,
  type Client,
  type Told,
} from '../words.ts'

/** As anybody writes a client of a dialect that has none. */
export const blocksClient: Client = {
  dialect: 'unified-blocks',
  finishes: { stop: 'stop', tool_calls: 'tool_calls' },
  tellsRaw: true,
  async ask(url, ask) {
    const response = await fetch(`${url}/v1/generate`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(toBody(ask)),
    })
    const text = await response.text()
    if (!response.ok) throw fail(JSON.parse(text) as JsonObject, response.status, '')
    return ask.stream ? readStream(text) : read(JSON.parse(text) as JsonObject)
  },
}

function toBody({ model, stream, after, ...ask }: Ask): object {
  const results = (after?.calls ?? []).map(({ id }) => ({
    type: 'tool_result',
    tool_call_id: id,
    content: result,
  }))
  return {
    model,
    ...(!stream && { stream }),
    max_tokens: maxTokens,
    system,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: question },
          ...(ask.image === true ? [{ type: 'image', data: image.data, media_type: image.mediaType }] : []),
        ],
      },
      ...(after === undefined
        ? []
        : [
            { role: 'assistant', content: after.turn },
            { role: 'user', content: results.length > 0 ? results : next },
          ]),
    ],
    ...(ask.tools === true && { tools: [{ name: toolName, parameters: schema }] }),
    ...(ask.schema === true && { response_format: { type: 'json_schema', schema } }),
    ...(ask.thinks === true && { reasoning: { effort: 'low' } }),
  }
}

function readStream(text: string): Told {
  let said = ''
  let done: JsonObject | undefined
  let error: JsonObject | undefined
  const parser = createParser({
    onEvent({ event, data }) {
      const json = JSON.parse(data) as JsonObject
      if (event === 'done') done = json
      else if (event === 'error') error = json
      else if (json.type === 'text') said += String(json.delta ?? '')
    },
  })
  parser.feed(text)
  if (done === undefined) throw fail(error ?? {}, undefined, said)
  return read(done)
}

function read({ content, finish, tokens }: JsonObject): Told {
  const blocks = content as JsonObject[]
  const textsOf = (type: string): string =>
    blocks.map((block) => (block.type === type ? String(block.text) : '')).join('')
  return {
    text: textsOf('text'),
    thinking: textsOf('thinking'),
    calls: blocks.flatMap(({ type, id, name, arguments: input }) =>
      type === 'tool_call' ? [{ id, name, input: input as unknown }] : [],
    ),
    finish: finish.unified,
    raw: finish.raw,
    usage: { input: tokens.input, output: tokens.output },
    turn: blocks,
  }
}

function fail({ message }: JsonObject, status: number | undefined, said: string): Failure {
  return new Failure(Object.assign(new Error(String(message)), { status }), said)
}
