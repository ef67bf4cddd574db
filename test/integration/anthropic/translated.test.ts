import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { failure, prompt, useAnthropicGateway } from './support.ts'

const { gateway, client, lastRequest } = useAnthropicGateway()

describe.each(['sim', 'upstream'])('Anthropic’s client with the provider %s behind', (provider) => {
  const model = `${provider}/lorem?tokens=5&gap_ms=0`

  it('gets text, whole and as a stream', async () => {
    const request = { ...prompt, model }
    const whole = await client().messages.create(request)
    const streamed = await client().messages.stream(request).finalMessage()
    expect(whole).toMatchObject({ role: 'assistant', stop_reason: 'end_turn', usage: { output_tokens: 5 } })
    expect(streamed.content).toMatchObject(whole.content)
  })

  it('gets tool calls, and may send their results, beside images', async () => {
    const tools = [
      {
        name: 'get_weather',
        input_schema: {
          type: 'object' as const,
          properties: { city: { type: 'string' } },
          required: ['city'],
        },
      },
    ]
    const asked = await client()
      .messages.stream({ ...prompt, model, tools })
      .finalMessage()
    const [call] = asked.content
    expect(asked.stop_reason).toBe('tool_use')
    expect(call).toMatchObject({
      type: 'tool_use',
      name: 'get_weather',
      input: { city: expect.any(String) as string },
    })

    const image = {
      type: 'image' as const,
      source: { type: 'base64' as const, media_type: 'image/png' as const, data: 'aGk=' },
    }
    const id = call?.type === 'tool_use' ? call.id : ''
    const answered = await client().messages.create({
      ...prompt,
      model,
      tools,
      messages: [
        { role: 'user', content: [image, { type: 'text', text: 'hi' }] },
        { role: 'assistant', content: asked.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: 'sunny' }] },
      ],
    })
    expect(answered.stop_reason).toBe('end_turn')
  })

  it('is told that a stream broke off', async () => {
    const broken = `${provider}/lorem?tokens=9&gap_ms=0&fail=truncate&at=3`
    const error = await failure(
      client()
        .messages.stream({ ...prompt, model: broken })
        .finalMessage(),
    )
    expect(error).toMatchObject({ type: 'api_error' })
  })

  it('gets an estimate for a count, which says that it is one', async () => {
    const { data, response } = await client()
      .messages.countTokens({ messages: prompt.messages, model })
      .withResponse()
    expect(data.input_tokens).toBeGreaterThan(0)
    expect(response.headers.get('x-millrace-token-count')).toBe('estimate')
  })

  it('is refused a tool that runs at Anthropic alone', async () => {
    const tools = [{ type: 'web_search_20250305' as const, name: 'web_search' as const }]
    const error = await failure(client().messages.create({ ...prompt, model, tools }))
    expect(error).toMatchObject({ status: 400, error: { error: { type: 'invalid_request_error' } } })
    expect(error.message).toContain('web_search_20250305')
  })
})

describe('OpenAI’s client with Anthropic behind', () => {
  const openai = (): OpenAI =>
    new OpenAI({ apiKey: 'client-key', baseURL: `${gateway().url}/v1`, maxRetries: 0 })

  it('gets text, with the usage in its own words', async () => {
    const answer = await openai().chat.completions.create({ model: 'smart', messages: prompt.messages })
    expect(answer.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: 'Hello, wörld 🌍!' },
    })
    expect(answer.usage).toMatchObject({
      prompt_tokens: 1025,
      completion_tokens: 15,
      prompt_tokens_details: { cached_tokens: 900 },
    })
    expect(lastRequest()).toMatchObject({
      headers: { 'anthropic-version': '2023-06-01', 'x-api-key': 'sk-ant-upstream' },
      json: { model: 'text', stream: true, max_tokens: 8192 },
    })
  })

  it('gets a stream of tool calls', async () => {
    const tools = [{ type: 'function' as const, function: { name: 'get_weather', parameters: {} } }]
    const stream = openai().chat.completions.stream({
      model: 'claude/tool-use',
      messages: prompt.messages,
      tools,
    })
    const { choices } = await stream.finalChatCompletion()
    expect(choices[0]?.finish_reason).toBe('tool_calls')
    expect(choices[0]?.message.tool_calls).toMatchObject([
      {
        id: 'toolu_01Weather',
        function: { name: 'get_weather', arguments: '{"location": "San Francisco"}' },
      },
      { id: 'toolu_02Time', function: { name: 'get_time', arguments: '{}' } },
    ])
  })

  it('brings signed thoughts back to Anthropic as they were', async () => {
    const model = 'claude/thinking'
    const { choices } = await openai().chat.completions.create({ model, messages: prompt.messages })
    const message = choices[0]!.message
    await openai().chat.completions.create({
      model: 'smart',
      messages: [...prompt.messages, message, { role: 'user', content: 'Go on.' }],
    })
    const [, turn] = lastRequest().json.messages as { content: unknown[] }[]
    expect(turn?.content).toMatchObject([
      {
        type: 'thinking',
        thinking: 'First 27 × 400, then the rest.',
        signature: 'EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds==',
      },
      { type: 'redacted_thinking' },
      { type: 'text', text: '27 × 453 = 12,231' },
    ])
  })

  it('is told Anthropic’s errors in OpenAI’s envelope', async () => {
    const call = openai().chat.completions.create({
      model: 'failing-429/status-429',
      messages: prompt.messages,
    })
    await expect(call).rejects.toBeInstanceOf(OpenAI.RateLimitError)
  })
})
