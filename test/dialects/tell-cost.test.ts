import {
  anthropicMessages,
  gemini,
  openaiChat,
  openaiEmbeddings,
  openaiResponses,
  unifiedBlocks,
  type Dialect,
} from '#libs/dialects'
import { expect, test } from 'vitest'

/** Numbers and spaces that a parser would not give back, and a text that looks like what is looked for. */
const rest = '"x": 1.50,"text":"\\"usage\\":{}"'

test.each<[string, Dialect, string, string]>([
  [
    'a chunk of the chat',
    openaiChat,
    `{"id":"1",${rest},"choices":[],"usage": {"prompt_tokens":1}}`,
    `{"id":"1",${rest},"choices":[],"usage": {"cost":0.5,"prompt_tokens":1}}`,
  ],
  [
    'a cost of the provider’s own',
    openaiChat,
    '{"usage":{"prompt_tokens":1,"cost":0.25}}',
    '{"usage":{"prompt_tokens":1,"cost":0.5}}',
  ],
  [
    'the last event of a response',
    openaiResponses,
    `{"type":"response.completed","response":{${rest},"usage":{"input_tokens":1}}}`,
    `{"type":"response.completed","response":{${rest},"usage":{"cost":0.5,"input_tokens":1}}}`,
  ],
  [
    'a whole response',
    openaiResponses,
    '{"id":"1","object":"response","usage":{"input_tokens":1}}',
    '{"id":"1","object":"response","usage":{"cost":0.5,"input_tokens":1}}',
  ],
  [
    'Anthropic’s last counts',
    anthropicMessages,
    '{"type":"message_delta","delta":{},"usage":{"output_tokens":1}}',
    '{"type":"message_delta","delta":{},"usage":{"cost":0.5,"output_tokens":1}}',
  ],
  [
    'the end of unified blocks',
    unifiedBlocks,
    '{"type":"done","tokens":{"input":1}}',
    '{"type":"done","tokens":{"input":1},"cost":0.5}',
  ],
  [
    'embeddings',
    openaiEmbeddings,
    '{"data":[],"usage":{"prompt_tokens":1}}',
    '{"data":[],"usage":{"cost":0.5,"prompt_tokens":1}}',
  ],
])('%s is told its cost, and all else stays to the byte', (_, dialect, told, expected) => {
  expect(dialect.tellCost?.(told, 0.5)).toBe(expected)
  expect(JSON.parse(dialect.tellCost?.(told, null) ?? '')).toEqual(
    JSON.parse(expected.replace('"cost":0.5', '"cost":null')),
  )
})

test.each<[string, Dialect, string]>([
  ['a chunk without counts', openaiChat, `{"choices":[{"delta":{"content":"\\"usage\\":{"}}],"usage":null}`],
  ['an event in the middle', openaiResponses, '{"type":"response.created","response":{"usage":{}}}'],
  [
    'Anthropic’s first counts',
    anthropicMessages,
    '{"type":"message_start","message":{"usage":{"input_tokens":1}}}',
  ],
  ['Anthropic’s content', anthropicMessages, '{"type":"content_block_delta","usage":{}}'],
  ['a block', unifiedBlocks, '{"type":"text","text":"a"}'],
])('%s stays as it is', (_, dialect, told) => {
  expect(dialect.tellCost?.(told, 0.5)).toBe(told)
})

test('Gemini’s clients are told no cost, since they refuse fields that they do not know', () => {
  expect('tellCost' in gemini).toBe(false)
})

const context = { rid: 'run_1' as const, model: 'm', createdAt: 1, includeUsage: true }

test('what has a price of its own is counted apart', () => {
  const anthropic = anthropicMessages.createObserver(context)
  anthropic.observeAnswer(
    JSON.stringify({
      content: [],
      usage: {
        input_tokens: 1,
        output_tokens: 2,
        cache_creation_input_tokens: 30,
        cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
      },
    }),
  )
  expect(anthropic.observation.usage).toEqual({
    inputTokens: 31,
    outputTokens: 2,
    cacheWriteTokens: 30,
    cacheWrite1hTokens: 20,
  })

  const google = gemini.createObserver(context)
  google.observeAnswer(
    JSON.stringify({
      candidates: [{ content: { parts: [{ text: 'a' }] }, finishReason: 'STOP' }],
      usageMetadata: {
        promptTokenCount: 50,
        candidatesTokenCount: 1300,
        promptTokensDetails: [
          { modality: 'TEXT', tokenCount: 18 },
          { modality: 'AUDIO', tokenCount: 32 },
        ],
        candidatesTokensDetails: [{ modality: 'IMAGE', tokenCount: 1290 }],
      },
    }),
  )
  expect(google.observation.usage).toEqual({
    inputTokens: 50,
    outputTokens: 1300,
    inputAudioTokens: 32,
    outputImageTokens: 1290,
  })
})

test('reasoning is a part of the output, also where a provider counts it beside', () => {
  const usageOf = (total: number) => {
    const observer = openaiChat.createObserver(context)
    const usage = {
      prompt_tokens: 10,
      completion_tokens: 5,
      total_tokens: total,
      completion_tokens_details: { reasoning_tokens: 3 },
    }
    observer.observeAnswer(JSON.stringify({ choices: [], usage }))
    return observer.observation.usage
  }
  expect(usageOf(15)).toMatchObject({ outputTokens: 5, reasoningTokens: 3 })
  expect(usageOf(18)).toMatchObject({ outputTokens: 8, reasoningTokens: 3 })
})
