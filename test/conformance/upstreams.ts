import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { FinishReason } from '#libs/core'
import { readAnswerFile } from '../providers/conformance/cases.ts'
import { readAnthropic, readBedrock, readChat, readGemini } from './sent.ts'
import type { Sent } from './words.ts'

type JsonObject = Record<string, unknown>

/** What an upstream's answer says, to be found again at the client. */
export interface Facts {
  /** Below `test/fixtures`. */
  file: string
  text: string
  thinking?: string
  /** Of the thinking, or of the first call. */
  signature?: string
  calls?: { id?: string; name: string; input: unknown }[]
  finish: FinishReason['unified']
  raw: string
  usage: { input: number; output: number }
}

export interface Upstream {
  type: string
  /** The dialect that it is called in natively. */
  native: string
  baseUrl: string
  /** Before the names of its models. */
  prefix: string
  read(body: JsonObject): Sent
  answers: Readonly<Record<'text' | 'tools' | 'thinking', Facts>>
  /** Whole answers, for those who speak its dialect. */
  whole: Readonly<Partial<Record<'text' | 'thinking', Facts>>>
  broken: { file: string; message: string }
  tooLong: unknown
}

const sunny = 'It is sunny in Paris.'
const weather = { name: 'get_weather', input: { city: 'Paris' } }
const chatText: Facts = {
  file: 'openai-compatible/stream.sse',
  text: sunny,
  finish: 'stop',
  raw: 'stop',
  usage: { input: 14, output: 7 },
}
const chatThinking: Facts = { ...chatText, file: 'deepseek/stream.sse', thinking: 'Thinking' }
const anthropicText: Facts = {
  file: 'anthropic/text.sse',
  text: 'Hello, wörld 🌍!',
  finish: 'stop',
  raw: 'end_turn',
  usage: { input: 1025, output: 15 },
}
const geminiText: Facts = {
  file: 'gemini/stream-text.sse',
  text: 'The quick brown "fox" – naïve\njumps.',
  finish: 'stop',
  raw: 'STOP',
  usage: { input: 8, output: 21 },
}
const bedrockText: Facts = {
  file: 'bedrock/text.jsonl',
  text: sunny,
  finish: 'stop',
  raw: 'end_turn',
  usage: { input: 14, output: 7 },
}

export const upstreams: readonly Upstream[] = [
  {
    type: 'openai-compatible',
    native: 'openai-chat',
    baseUrl: '/v1',
    prefix: '',
    read: readChat,
    answers: {
      text: chatText,
      tools: {
        ...chatText,
        file: 'openai-compatible/tool-call.sse',
        text: '',
        calls: [{ id: 'call_abc123', ...weather }],
        finish: 'tool_calls',
        raw: 'tool_calls',
      },
      thinking: chatThinking,
    },
    whole: {
      text: { ...chatText, file: 'openai-compatible/answer.json' },
      thinking: { ...chatThinking, file: 'deepseek/answer.json' },
    },
    broken: { file: 'openrouter/mid-stream-error.sse', message: 'Provider disconnected unexpectedly' },
    tooLong: { error: { message: 'This exceeds the context length.', code: 'context_length_exceeded' } },
  },
  {
    type: 'anthropic',
    native: 'anthropic-messages',
    baseUrl: '',
    prefix: '',
    read: readAnthropic,
    answers: {
      text: anthropicText,
      tools: {
        file: 'anthropic/tool-use.sse',
        text: 'Let me look.',
        calls: [
          { id: 'toolu_01Weather', name: 'get_weather', input: { location: 'San Francisco' } },
          { id: 'toolu_02Time', name: 'get_time', input: {} },
        ],
        finish: 'tool_calls',
        raw: 'tool_use',
        usage: { input: 472, output: 89 },
      },
      thinking: {
        file: 'anthropic/thinking.sse',
        text: '27 × 453 = 12,231',
        thinking: 'First 27 × 400, then the rest.',
        signature: 'EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds==',
        finish: 'stop',
        raw: 'end_turn',
        usage: { input: 40, output: 60 },
      },
    },
    whole: { text: { ...anthropicText, file: 'anthropic/text.json' } },
    broken: { file: 'anthropic/overloaded.sse', message: 'Overloaded' },
    tooLong: {
      type: 'error',
      error: { type: 'invalid_request_error', message: 'prompt is too long: 9 tokens > 8 maximum' },
    },
  },
  {
    type: 'gemini',
    native: 'gemini',
    baseUrl: '/v1beta',
    prefix: '',
    read: readGemini,
    answers: {
      text: geminiText,
      tools: {
        file: 'gemini/stream-tools.sse',
        text: '',
        thinking: '**Weighing the weather**',
        signature: 'EqQBCqEBAXLI2nxFirstSignature==',
        calls: [
          { name: 'get_weather', input: { city: 'Paris', error: null } },
          { id: 'fc_2', name: 'get_weather', input: { city: 'Rome' } },
        ],
        finish: 'tool_calls',
        raw: 'STOP',
        usage: { input: 61, output: 72 },
      },
      thinking: {
        file: 'gemini/stream-thinking.sse',
        text: sunny,
        thinking: 'Look outside.',
        signature: 'EtMBCtABAXLI2nxTextSignature==',
        finish: 'stop',
        raw: 'STOP',
        usage: { input: 14, output: 10 },
      },
    },
    whole: {
      text: {
        ...geminiText,
        file: 'gemini/answer.json',
        text: 'The quick brown fox.',
        usage: { input: 8, output: 5 },
      },
    },
    broken: {
      file: 'gemini/stream-error.sse',
      message: 'The model is overloaded. Please try again later.',
    },
    tooLong: {
      error: {
        code: 400,
        message: 'The input token count (9) exceeds the maximum number of tokens allowed (8).',
        status: 'INVALID_ARGUMENT',
      },
    },
  },
  {
    type: 'bedrock',
    native: 'none',
    baseUrl: '',
    prefix: 'anthropic.',
    read: readBedrock,
    answers: {
      text: bedrockText,
      tools: {
        ...bedrockText,
        file: 'bedrock/tool-call.jsonl',
        text: 'Let me look.',
        calls: [{ id: 'tooluse_kZJMlvQmRJ6eAyJE5GIl7Q', ...weather }],
        finish: 'tool_calls',
        raw: 'tool_use',
      },
      thinking: {
        ...bedrockText,
        file: 'bedrock/reasoning.jsonl',
        text: 'Sunny.',
        thinking: 'Thinking',
        signature: 'c2ln',
      },
    },
    whole: {},
    broken: { file: 'bedrock/throttled.jsonl', message: 'Too many requests, please wait' },
    tooLong: { message: 'Input is too long for requested model.' },
  },
]

/** Every upstream of the list on one port, below its type; the model's name says what it answers. */
export async function startUpstreams() {
  const sent: Sent[] = []
  const server = createServer((request, response) => {
    void text(request).then((json) => {
      const path = request.url ?? ''
      const body = JSON.parse(json) as JsonObject
      const upstream = upstreams.find(({ type }) => path.startsWith(`/${type}/`))
      if (upstream === undefined) return response.writeHead(404).end()
      sent.push(upstream.read(body))
      const model = typeof body.model === 'string' ? body.model : path
      if (model.includes('too-long')) {
        return response
          .writeHead(400, { 'content-type': 'application/json' })
          .end(JSON.stringify(upstream.tooLong))
      }
      const file = toFile(upstream, model, body.stream === true || /stream/.test(path))
      return response
        .writeHead(200, { 'content-type': contentTypes[file.split('.').at(-1) ?? ''] })
        .end(readAnswerFile('.', file))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Takes out what was asked last. */
    takeSent: () => sent.splice(0).at(-1),
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

const contentTypes: Readonly<Record<string, string>> = {
  json: 'application/json',
  sse: 'text/event-stream',
  jsonl: 'application/vnd.amazon.eventstream',
}

function toFile(upstream: Upstream, model: string, isStream: boolean): string {
  if (model.includes('broken')) return upstream.broken.file
  const [name = 'text'] = (['tools', 'thinking'] as const).filter((each) => model.includes(each))
  const whole = name === 'tools' ? undefined : upstream.whole[name]
  if (isStream) return upstream.answers[name].file
  if (whole === undefined) throw new Error(`${upstream.type} has no whole answer for ${model}.`)
  return whole.file
}
