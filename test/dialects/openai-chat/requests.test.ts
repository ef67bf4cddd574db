import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dialect } from './judge.ts'

describe('toNativeRequest', () => {
  const native = (json: string, stream = true) => dialect.toNativeRequest(json, { model: 'gpt-"x"', stream })

  it('changes the model’s bytes and nothing else', () => {
    const json =
      ' { "temperature": 1.0, "model" : "fast" ,\n "seed": 12345678901234567890, "x": {"model":"fast"}, "messages": [] } '
    expect(native(json, false)).toBe(json.replace('"fast"', String.raw`"gpt-\"x\""`))
  })

  it('asks for the usage of a stream', () => {
    const cases = {
      '{"model":"a","stream":true}': '{"stream_options":{"include_usage":true},"model":M,"stream":true}',
      '{"stream_options":null,"model":"a"}': '{"stream_options":{"include_usage":true},"model":M}',
      '{"stream_options": { } ,"model":"a"}': '{"stream_options": {"include_usage":true} ,"model":M}',
      '{"model":"a","stream_options":{"include_usage": false, "b":1.0}}':
        '{"model":M,"stream_options":{"include_usage": true, "b":1.0}}',
      '{"model":"a","stream_options":{"include_obfuscation":false}}':
        '{"model":M,"stream_options":{"include_usage":true,"include_obfuscation":false}}',
    }
    for (const [json, expected] of Object.entries(cases)) {
      expect(native(json)).toBe(expected.replace('M', String.raw`"gpt-\"x\""`))
    }
  })

  it('leaves no second model for a parser that takes the first or the last', () => {
    const sent = native(String.raw`{"model":"a","mod\u0065l":"b"}`, false)
    expect(sent).not.toMatch(/"[ab]"/)
  })

  it('sends what the client wrote, whatever that is', () => {
    const options = fc.option(
      fc.record({ include_usage: fc.boolean(), other: fc.json() }, { requiredKeys: [] }),
    )
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        options,
        fc.nat(3),
        (others, streamOptions, indent) => {
          const body = { ...others, model: 'a', stream: true, stream_options: streamOptions }
          const sent: unknown = JSON.parse(native(JSON.stringify(body, null, indent)))
          const expected: unknown = JSON.parse(
            JSON.stringify({
              ...body,
              model: 'gpt-"x"',
              stream_options: { ...streamOptions, include_usage: true },
            }),
          )
          expect(sent).toEqual(expected)
        },
      ),
    )
  })
})

describe('decodeRequest', () => {
  const decode = (fields: object) =>
    dialect.decodeRequest({ model: 'fast', messages: [{ role: 'user', content: 'hi' }], ...fields }, 'claude')
  const user = (part: object) =>
    decode({ messages: [{ role: 'user', content: [part] }] }).messages[0]?.content[0]

  it('tells a whole conversation in canonical words', () => {
    const request = decode({
      messages: [
        { role: 'system', content: 'be brief' },
        {
          role: 'user',
          content: [{ type: 'text', text: 'add', cache_control: { type: 'ephemeral', ttl: '1h' } }],
        },
        {
          role: 'assistant',
          content: '',
          reasoning_content: 'hm',
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'add', arguments: '{"a":1}' } }],
        },
        { role: 'tool', tool_call_id: 'c1', content: '3' },
        { role: 'developer', content: [{ type: 'text', text: 'be kind' }] },
        { role: 'assistant', content: 'three', refusal: 'no more' },
      ],
    })
    expect(request.system).toEqual([
      { type: 'text', text: 'be brief' },
      { type: 'text', text: 'be kind' },
    ])
    expect(request.messages).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'add', cache: { ttl: '1h' } }] },
      {
        role: 'assistant',
        content: [
          { type: 'reasoning', text: 'hm' },
          { type: 'tool-call', id: 'c1', name: 'add', arguments: '{"a":1}' },
        ],
      },
      { role: 'tool', toolCallId: 'c1', content: [{ type: 'text', text: '3' }] },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'three' },
          { type: 'refusal', text: 'no more' },
        ],
      },
    ])
  })

  it('carries every setting that has a canonical field, and the rest as an extension', () => {
    const schema = { type: 'object' }
    expect(
      decode({
        stream: true,
        metadata: { a: 'b' },
        max_tokens: 5,
        max_completion_tokens: 7,
        temperature: 0,
        top_p: 0.5,
        top_k: 40,
        frequency_penalty: 1,
        presence_penalty: -1,
        stop: 'END',
        seed: 3,
        user: 'u',
        logprobs: true,
        top_logprobs: 2,
        reasoning_effort: 'low',
        parallel_tool_calls: false,
        tools: [
          {
            type: 'function',
            function: { name: 'add', description: 'adds', parameters: schema, strict: true },
          },
        ],
        tool_choice: { type: 'function', function: { name: 'add' } },
        response_format: { type: 'json_schema', json_schema: { name: 'r', schema, strict: true } },
        logit_bias: { 7: 1 },
        future: 1,
      }),
    ).toEqual({
      model: 'claude',
      system: [],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
      maxOutputTokens: 7,
      temperature: 0,
      topP: 0.5,
      topK: 40,
      frequencyPenalty: 1,
      presencePenalty: -1,
      stop: ['END'],
      seed: 3,
      user: 'u',
      logprobs: { top: 2 },
      reasoning: { effort: 'low' },
      parallelToolCalls: false,
      tools: [{ name: 'add', description: 'adds', parameters: schema, strict: true }],
      toolChoice: { name: 'add' },
      responseFormat: { type: 'json-schema', name: 'r', schema, strict: true },
      extensions: { 'openai-chat': { logit_bias: { 7: 1 }, future: 1 } },
    })
  })

  it('has no field for what was left out or null', () => {
    expect(decode({ temperature: null, stop: null, tools: null, response_format: { type: 'text' } })).toEqual(
      {
        model: 'claude',
        system: [],
        messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
        tools: [],
        stop: [],
        extensions: {},
      },
    )
  })

  it('carries media by reference or inline', () => {
    const image = (url: string) => user({ type: 'image_url', image_url: { url, detail: 'low' } })
    expect(image('https://x/y.png')).toEqual({
      type: 'image',
      source: { url: 'https://x/y.png' },
      detail: 'low',
    })
    expect(image('data:image/PNG;base64,AAAA')).toEqual({
      type: 'image',
      source: { data: 'AAAA' },
      mediaType: 'image/png',
      detail: 'low',
    })
    expect(user({ type: 'input_audio', input_audio: { data: 'AA', format: 'mp3' } })).toEqual({
      type: 'audio',
      source: { data: 'AA' },
      mediaType: 'audio/mpeg',
    })
    expect(user({ type: 'file', file: { file_id: 'file-1' } })).toEqual({
      type: 'file',
      source: { fileId: 'file-1' },
    })
    const file = { file_data: 'data:application/pdf;base64,AA', filename: 'a.pdf' }
    expect(user({ type: 'file', file })).toEqual({
      type: 'file',
      source: { data: 'AA' },
      mediaType: 'application/pdf',
      filename: 'a.pdf',
    })
  })

  it.each<[param: string, fields: object]>([
    ['n', { n: 2 }],
    ['modalities', { modalities: ['text', 'audio'] }],
    ['functions', { functions: [] }],
    ['tools[0].type', { tools: [{ type: 'web_search' }] }],
    ['tool_choice.type', { tool_choice: { type: 'allowed_tools' } }],
    ['response_format.type', { response_format: { type: 'grammar' } }],
    ['messages[0].role', { messages: [{ role: 'function', name: 'f', content: 'x' }] }],
    ['messages[0].content[0].type', { messages: [{ role: 'user', content: [{ type: 'hologram' }] }] }],
    [
      'messages[0].content[0].image_url',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: 'data:image/svg+xml,x' }] }] },
    ],
  ])('refuses what would silently be missing from the answer: %s', (param, fields) => {
    expect(() => decode(fields)).toThrow(expect.objectContaining({ code: 'invalid_request', param }))
  })
})
