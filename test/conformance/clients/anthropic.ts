import Anthropic from '@anthropic-ai/sdk'
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

export const anthropicClient: Client = {
  dialect: 'anthropic-messages',
  finishes: { stop: 'end_turn', tool_calls: 'tool_use' },
  tellsRaw: false,
  async ask(url, ask) {
    const client = new Anthropic({ apiKey: 'none', baseURL: url, maxRetries: 0 })
    let said = ''
    try {
      const body = toBody(ask)
      if (!ask.stream) return read((await client.messages.create(body)) as unknown as JsonObject)
      const stream = client.messages.stream(body)
      stream.on('text', (delta) => (said += delta))
      return read((await stream.finalMessage()) as unknown as JsonObject)
    } catch (error) {
      throw new Failure(error, said)
    }
  },
}

function toBody({ model, after, ...ask }: Ask): Anthropic.MessageCreateParamsNonStreaming {
  const results = (after?.calls ?? []).map(({ id }) => ({
    type: 'tool_result' as const,
    tool_use_id: id,
    content: result,
  }))
  const body = {
    model,
    max_tokens: maxTokens,
    system,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: question },
          ...(ask.image === true
            ? [
                {
                  type: 'image',
                  source: { type: 'base64', media_type: image.mediaType, data: image.data },
                },
              ]
            : []),
        ],
      },
      ...(after === undefined
        ? []
        : [
            { role: 'assistant', content: after.turn },
            { role: 'user', content: results.length > 0 ? results : next },
          ]),
    ],
    ...(ask.tools === true && { tools: [{ name: toolName, input_schema: schema }] }),
    ...((ask.schema === true || ask.thinks === true) && {
      output_config: {
        ...(ask.schema === true && { format: { type: 'json_schema', schema } }),
        ...(ask.thinks === true && { effort: 'low' }),
      },
    }),
    ...(ask.thinks === true && { thinking: { type: 'adaptive' } }),
  }
  return body as Anthropic.MessageCreateParamsNonStreaming
}

function read(message: JsonObject): Told {
  const content = message.content as JsonObject[]
  const { usage } = message
  return {
    text: content.map((block) => String(block.text ?? '')).join(''),
    thinking: content.map((block) => String(block.thinking ?? '')).join(''),
    calls: content.flatMap(({ type, id, name, input }) =>
      type === 'tool_use' ? [{ id, name, input: input as unknown }] : [],
    ),
    finish: message.stop_reason,
    usage: {
      input:
        usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
      output: usage.output_tokens,
    },
    turn: content,
  }
}
