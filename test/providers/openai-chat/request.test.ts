import { describe, expect, it } from 'vitest'
import type { CanonicalRequest, Content } from '#libs/core'
import { openai, openaiCompatible, type ProviderSpec } from '#libs/providers'

const empty: CanonicalRequest = {
  model: 'm',
  system: [],
  messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
  tools: [],
  stop: [],
  extensions: {},
}

function toBody(request: Partial<CanonicalRequest>, spec: ProviderSpec = openaiCompatible) {
  const call = spec.adapter!.toRequest({ ...empty, ...request })
  expect(call.path).toBe('/chat/completions')
  return JSON.parse(call.body) as Record<string, unknown>
}

const user = (...content: Content[]): Partial<CanonicalRequest> => ({ messages: [{ role: 'user', content }] })

describe('a chat request for another dialect’s', () => {
  it('streams always, with its usage', () => {
    expect(toBody({})).toEqual({
      model: 'm',
      messages: [{ role: 'user', content: 'hi' }],
      stream: true,
      stream_options: { include_usage: true },
    })
  })

  it('tells OpenAI only what it knows, and others what they know beside', () => {
    const request = {
      maxOutputTokens: 5,
      topK: 40,
      temperature: 0.5,
      user: 'u'.repeat(65),
      reasoning: { effort: 'low' },
    }
    expect(toBody(request, openai)).toMatchObject({
      max_completion_tokens: 5,
      temperature: 0.5,
      reasoning_effort: 'low',
    })
    expect(Object.keys(toBody(request, openai))).not.toEqual(
      expect.arrayContaining(['top_k', 'max_tokens', 'user']),
    )
    expect(toBody(request)).toMatchObject({ max_tokens: 5, top_k: 40 })
  })

  it('tells an agent’s turns, and shows a tool’s images behind its results', () => {
    const image: Content = { type: 'image', source: { data: 'aGk=' }, mediaType: 'image/png', detail: 'low' }
    const { messages } = toBody({
      system: [
        { type: 'text', text: 'Be kind.', cache: {} },
        { type: 'text', text: 'Be brief.' },
      ],
      messages: [
        {
          role: 'assistant',
          content: [
            { type: 'reasoning', text: 'Hm.', signature: 'sig' },
            { type: 'tool-call', id: 'a', name: 'f', arguments: '{"x":1}', signature: 'g' },
            { type: 'tool-call', id: 'b', name: 'f', arguments: '' },
          ],
        },
        { role: 'tool', toolCallId: 'a', content: [{ type: 'text', text: 'one' }, image] },
        { role: 'tool', toolCallId: 'b', content: [] },
        { role: 'user', content: [{ type: 'text', text: 'Go on.' }] },
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'It ' },
            { type: 'text', text: 'is.' },
          ],
        },
      ],
    })
    expect(messages).toEqual([
      { role: 'system', content: 'Be kind.\n\nBe brief.' },
      {
        role: 'assistant',
        content: null,
        reasoning_content: 'Hm.',
        tool_calls: [
          {
            id: 'a',
            type: 'function',
            function: { name: 'f', arguments: '{"x":1}' },
            extra_content: { google: { thought_signature: 'g' } },
          },
          { id: 'b', type: 'function', function: { name: 'f', arguments: '{}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'a', content: 'one' },
      { role: 'tool', tool_call_id: 'b', content: '' },
      {
        role: 'user',
        content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,aGk=', detail: 'low' } }],
      },
      { role: 'user', content: 'Go on.' },
      { role: 'assistant', content: 'It is.' },
    ])
  })

  it('tells files and audio', () => {
    const { messages } = toBody(
      user(
        { type: 'file', source: { data: 'JVBERg==' }, mediaType: 'application/pdf', filename: 'a.pdf' },
        { type: 'file', source: { data: 'aGk=' }, mediaType: 'text/plain' },
        { type: 'audio', source: { data: 'aGk=' }, mediaType: 'audio/mpeg' },
        { type: 'image', source: { url: 'https://a.b/c.png' } },
      ),
    )
    expect(messages).toMatchObject([
      {
        content: [
          { type: 'file', file: { file_data: 'data:application/pdf;base64,JVBERg==', filename: 'a.pdf' } },
          { type: 'text', text: 'hi' },
          { type: 'input_audio', input_audio: { data: 'aGk=', format: 'mp3' } },
          { type: 'image_url', image_url: { url: 'https://a.b/c.png' } },
        ],
      },
    ])
  })

  it('tells tools, the choice among them and the format of the answer', () => {
    const schema = { type: 'object' }
    expect(
      toBody({
        tools: [{ name: 'f', description: 'F.', parameters: schema, strict: true }],
        toolChoice: { name: 'f' },
        parallelToolCalls: false,
        responseFormat: { type: 'json-schema', name: 'n', schema, strict: true },
      }),
    ).toMatchObject({
      tools: [
        { type: 'function', function: { name: 'f', description: 'F.', parameters: schema, strict: true } },
      ],
      tool_choice: { type: 'function', function: { name: 'f' } },
      parallel_tool_calls: false,
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema, strict: true } },
    })
    expect(toBody({ toolChoice: 'auto', parallelToolCalls: false })).not.toHaveProperty('tool_choice')
  })

  it.each([
    [user({ type: 'image', source: { fileId: 'file_1' } }), /image/],
    [user({ type: 'file', source: { url: 'https://a.b' } }), /file/],
    [user({ type: 'audio', source: { url: 'https://a.b' } }), /audio/],
  ])('refuses %j, naming what it can’t take', (request, message) => {
    expect(() => toBody(request)).toThrow(message)
  })
})
