import OpenAI from 'openai'
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

const connect = (url: string): OpenAI => new OpenAI({ apiKey: 'none', baseURL: `${url}/v1`, maxRetries: 0 })
const imageUrl = `data:${image.mediaType};base64,${image.data}`

export const openaiChatClient: Client = {
  dialect: 'openai-chat',
  finishes: { stop: 'stop', tool_calls: 'tool_calls' },
  tellsRaw: true,
  async ask(url, ask) {
    let said = ''
    try {
      const body = toChatBody(ask)
      // Its accumulator keeps only the last piece of a field that it doesn't know.
      if (!ask.stream || ask.thinks === true) {
        return readChat((await connect(url).chat.completions.create(body)) as unknown as JsonObject)
      }
      const stream = connect(url).chat.completions.stream({
        ...body,
        stream_options: { include_usage: true },
      })
      let thinking = ''
      stream.on('content', (delta) => (said += delta))
      stream.on('chunk', (chunk) => {
        const delta = chunk.choices[0]?.delta as JsonObject | undefined
        thinking += String(delta?.reasoning_content ?? '')
      })
      return { ...readChat((await stream.finalChatCompletion()) as unknown as JsonObject), thinking }
    } catch (error) {
      throw new Failure(error, said)
    }
  },
}

function toChatBody({
  model,
  after,
  ...ask
}: Ask): Omit<OpenAI.ChatCompletionCreateParamsNonStreaming, 'stream'> {
  const results = (after?.calls ?? []).map(({ id }) => ({
    role: 'tool' as const,
    tool_call_id: id,
    content: result,
  }))
  const goOn = results.length > 0 ? results : [{ role: 'user' as const, content: next }]
  return {
    model,
    max_completion_tokens: maxTokens,
    messages: [
      { role: 'system', content: system },
      {
        role: 'user',
        content:
          ask.image === true
            ? [
                { type: 'text', text: question },
                { type: 'image_url', image_url: { url: imageUrl } },
              ]
            : question,
      },
      ...(after === undefined ? [] : [after.turn as OpenAI.ChatCompletionMessage, ...goOn]),
    ],
    ...(ask.tools === true && {
      tools: [{ type: 'function', function: { name: toolName, parameters: schema } }],
    }),
    ...(ask.schema === true && {
      response_format: { type: 'json_schema', json_schema: { name: 'place', schema, strict: true } },
    }),
    ...(ask.thinks === true && { reasoning_effort: 'low' }),
  }
}

function readChat(answer: JsonObject): Told {
  const [choice] = answer.choices as JsonObject[]
  const message = choice?.message as JsonObject
  return {
    text: message.content ?? '',
    thinking: message.reasoning_content ?? '',
    calls: ((message.tool_calls ?? []) as JsonObject[]).map(({ id, function: called }) => ({
      id,
      name: called.name,
      input: JSON.parse(called.arguments),
    })),
    finish: choice?.finish_reason,
    raw: choice?.native_finish_reason,
    usage: { input: answer.usage?.prompt_tokens, output: answer.usage?.completion_tokens },
    turn: message,
  }
}

export const openaiResponsesClient: Client = {
  dialect: 'openai-responses',
  finishes: { stop: 'completed', tool_calls: 'completed' },
  tellsRaw: true,
  async ask(url, ask) {
    let said = ''
    try {
      const body = toResponsesBody(ask)
      if (!ask.stream) {
        return readResponse((await connect(url).responses.create(body)) as unknown as JsonObject)
      }
      const stream = connect(url).responses.stream(body)
      stream.on('response.output_text.delta', ({ delta }) => (said += delta))
      return readResponse((await stream.finalResponse()) as unknown as JsonObject)
    } catch (error) {
      throw new Failure(error, said)
    }
  },
}

function toResponsesBody({
  model,
  after,
  ...ask
}: Ask): Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, 'stream'> {
  const results = (after?.calls ?? []).map(({ id }) => ({
    type: 'function_call_output' as const,
    call_id: id,
    output: result,
  }))
  const goOn = results.length > 0 ? results : [{ role: 'user' as const, content: next }]
  return {
    model,
    max_output_tokens: maxTokens,
    instructions: system,
    input: [
      {
        role: 'user',
        content: [
          { type: 'input_text', text: question },
          ...(ask.image === true
            ? [{ type: 'input_image' as const, image_url: imageUrl, detail: 'auto' as const }]
            : []),
        ],
      },
      ...(after === undefined ? [] : [...(after.turn as OpenAI.Responses.ResponseInputItem[]), ...goOn]),
    ],
    ...(ask.tools === true && {
      tools: [{ type: 'function', name: toolName, parameters: schema, strict: true }],
    }),
    ...(ask.schema === true && {
      text: { format: { type: 'json_schema', name: 'place', schema, strict: true } },
    }),
    ...(ask.thinks === true && { reasoning: { effort: 'low' } }),
  }
}

function readResponse(response: JsonObject): Told {
  const output = response.output as JsonObject[]
  const textsOf = (type: string): string =>
    output
      .filter((item) => item.type === type)
      .flatMap((item) => item.content as JsonObject[])
      .map(({ text }) => String(text))
      .join('')
  return {
    text: textsOf('message'),
    thinking: textsOf('reasoning'),
    calls: output.flatMap((item) =>
      item.type === 'function_call'
        ? [{ id: item.call_id, name: item.name, input: JSON.parse(item.arguments) }]
        : [],
    ),
    finish: response.status,
    raw: response.native_finish_reason,
    usage: { input: response.usage?.input_tokens, output: response.usage?.output_tokens },
    turn: output,
  }
}
