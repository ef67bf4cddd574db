import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { key, model, useGeminiGateway } from '../support/gemini-gateway.ts'

const { gateway, upstream } = useGeminiGateway()

const openai = (): OpenAI => new OpenAI({ apiKey: key, baseURL: `${gateway().url}/v1`, maxRetries: 0 })

describe('OpenAI’s client before a Gemini upstream', () => {
  const messages = [{ role: 'user' as const, content: 'Say something.' }]

  it('streams text and usage', async () => {
    upstream().answers.push('stream-text.sse')
    const stream = openai().chat.completions.stream({
      model,
      messages,
      stream_options: { include_usage: true },
    })
    const answer = await stream.finalChatCompletion()
    expect(answer.choices[0]).toMatchObject({
      message: { content: 'The quick brown "fox" – naïve\njumps.' },
      finish_reason: 'stop',
    })
    expect(answer.usage).toMatchObject({
      prompt_tokens: 8,
      completion_tokens: 21,
      prompt_tokens_details: { cached_tokens: 4 },
      completion_tokens_details: { reasoning_tokens: 12 },
    })
  })

  it('gets tool calls, and brings their signature back', async () => {
    upstream().answers.push('stream-tools.sse', 'stream-text.sse')
    const tools = [
      { type: 'function' as const, function: { name: 'get_weather', parameters: { type: 'object' } } },
    ]
    const asked = await openai().chat.completions.create({ model, messages, tools })
    const message = asked.choices[0]?.message
    expect(asked.choices[0]?.finish_reason).toBe('tool_calls')
    expect(message).toMatchObject({
      reasoning_content: '**Weighing the weather**',
      tool_calls: [
        { function: { name: 'get_weather', arguments: '{"city":"Paris","error":null}' } },
        { id: 'fc_2', function: { arguments: '{"city":"Rome"}' } },
      ],
    })
    const calls = message?.tool_calls ?? []
    await openai().chat.completions.create({
      model,
      tools,
      messages: [
        ...messages,
        message!,
        ...calls.map(({ id }) => ({ role: 'tool' as const, tool_call_id: id, content: '9 °C' })),
      ],
    })
    const sent = JSON.parse(upstream().calls[1]?.body ?? '') as { contents: unknown[] }
    expect(sent.contents.slice(1)).toMatchObject([
      {
        role: 'model',
        parts: [
          { thought: true, text: '**Weighing the weather**' },
          {
            functionCall: { id: calls[0]?.id, name: 'get_weather', args: { city: 'Paris' } },
            thoughtSignature: 'EqQBCqEBAXLI2nxFirstSignature==',
          },
          { functionCall: { id: 'fc_2', args: { city: 'Rome' } } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { name: 'get_weather', response: { output: '9 °C' } } },
          { functionResponse: { id: 'fc_2', response: { output: '9 °C' } } },
        ],
      },
    ])
  })

  it('gets sources as annotations, counted in characters', async () => {
    upstream().answers.push('stream-grounded.sse')
    const answer = await openai().chat.completions.create({ model, messages })
    const { content, annotations } = answer.choices[0]?.message ?? {}
    expect(
      annotations?.map(({ url_citation: { start_index, end_index, title } }) => [
        content?.slice(start_index, end_index),
        title,
      ]),
    ).toEqual([
      ['Spain won – 2:1.', 'example.com'],
      ['England lost.', 'example.com'],
      ['England lost.', 'example.org'],
    ])
  })

  it('gets a blocked prompt and a refused key as errors', async () => {
    upstream().answers.push('stream-blocked.sse')
    const blocked = openai().chat.completions.create({ model, messages })
    await expect(blocked).rejects.toMatchObject({ status: 400, code: 'content_policy' })
    upstream().answers.push('error-key.json')
    const refused = openai().chat.completions.create({ model: 'refused/gemini-2.5-pro', messages })
    await expect(refused).rejects.toMatchObject({
      status: 502,
      message: expect.stringContaining('not valid'),
    })
  })
})
