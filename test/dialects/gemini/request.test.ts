import { describe, expect, it } from 'vitest'
import { estimateGeminiTokens } from '#libs/dialects'
import { decode, dialect, failure } from './judge.ts'

const path = { model: 'm', stream: true }

describe('reading a Gemini request', () => {
  it('takes model and stream from the URL', () => {
    expect(dialect.readRequest({ contents: [{ parts: [{ text: 'Hi' }] }] }, path)).toMatchObject(path)
  })

  it('lets fields pass that it does not know', () => {
    const contents = [{ parts: [{ text: 'Hi', novelty: 1 }, { novelPart: {} }], more: true }]
    expect(() => dialect.readRequest({ contents, novelty: [] }, path)).not.toThrow()
  })

  it.each([
    [undefined, null],
    ['contents', {}],
    ['contents', { contents: [] }],
    ['contents[0].role', { contents: [{ role: 'robot', parts: [] }] }],
    ['contents[0].parts[0].text', { contents: [{ parts: [{ text: 5 }] }] }],
    [
      'contents[0].parts[0].inlineData.data',
      { contents: [{ parts: [{ inlineData: { mimeType: 'a/b' } }] }] },
    ],
    [
      'contents[0].parts[1].functionCall.name',
      { contents: [{ parts: [{ text: '' }, { functionCall: {} }] }] },
    ],
    ['generationConfig.temperature', { contents: [{ parts: [] }], generationConfig: { temperature: 'hot' } }],
  ])('refuses the request for %s', (param, body) => {
    expect(failure(() => dialect.readRequest(body, path))).toMatchObject({
      code: 'invalid_request',
      param: param ?? null,
    })
  })

  it('refuses names that belong in no key and no log', () => {
    for (const model of ['', 'a\nb', 'x'.repeat(257)]) {
      const act = () => dialect.readRequest({ contents: [{ parts: [] }] }, { model, stream: false })
      expect(failure(act)).toMatchObject({ code: 'invalid_request', param: 'model' })
    }
  })

  it('goes to Gemini byte for byte, but for a model that the body names as well', () => {
    const context = { model: 'gemini-2.5-flash', stream: true }
    const body = '{ "contents": [1.0, {"model":"x"}], "big": 12345678901234567890 }'
    expect(dialect.toNativeRequest(body, context)).toBe(body)
    expect(dialect.toNativeRequest('{"model": "models/virtual", "contents":[]}', context)).toBe(
      '{"model": "models/gemini-2.5-flash", "contents":[]}',
    )
  })
})

describe('a Gemini request in canonical words', () => {
  it('has its settings', () => {
    const request = decode({
      systemInstruction: { parts: [{ text: 'Be brief.' }] },
      generationConfig: {
        temperature: 0.5,
        topP: 0.9,
        topK: 40,
        maxOutputTokens: 100,
        stopSequences: ['END'],
        seed: 7,
        presencePenalty: 0.1,
        frequencyPenalty: 0.2,
        candidateCount: 1,
        thinkingConfig: { thinkingBudget: 512, includeThoughts: true },
        mediaResolution: 'MEDIA_RESOLUTION_LOW',
      },
      safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }],
    })
    expect(request).toEqual({
      model: 'm',
      system: [{ type: 'text', text: 'Be brief.' }],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
      tools: [],
      temperature: 0.5,
      topP: 0.9,
      topK: 40,
      maxOutputTokens: 100,
      stop: ['END'],
      seed: 7,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      reasoning: { budgetTokens: 512 },
      extensions: {
        gemini: {
          safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }],
          generationConfig: { mediaResolution: 'MEDIA_RESOLUTION_LOW' },
        },
      },
    })
  })

  it('is the same in snake_case, and with one object where a list is meant', () => {
    const snake = decode({
      contents: { role: 'user', parts: { inline_data: { mime_type: 'image/png', data: 'AA==' } } },
      system_instruction: { parts: { text: 'Be brief.' } },
      tools: { function_declarations: { name: 'f', parameters: { type: 'OBJECT' } } },
      tool_config: { function_calling_config: { mode: 'ANY', allowed_function_names: ['f'] } },
      generation_config: { max_output_tokens: 5, response_mime_type: 'application/json' },
    })
    expect(snake).toMatchObject({
      system: [{ text: 'Be brief.' }],
      messages: [{ content: [{ type: 'image', source: { data: 'AA==' }, mediaType: 'image/png' }] }],
      tools: [{ name: 'f', parameters: { type: 'object' } }],
      toolChoice: { name: 'f' },
      maxOutputTokens: 5,
      responseFormat: { type: 'json' },
    })
  })

  it('knows pictures, documents, sound and film, inline and by address', () => {
    const parts = [
      { inlineData: { mimeType: 'application/pdf', data: 'AA==' } },
      { inlineData: { mimeType: 'audio/mp3', data: 'AA==' } },
      { fileData: { mimeType: 'video/mp4', fileUri: 'https://example.com/film.mp4' } },
      { fileData: { fileUri: 'https://example.com/thing' } },
    ]
    const [message] = decode({ contents: [{ parts }] }).messages
    expect(message?.content).toEqual([
      { type: 'file', source: { data: 'AA==' }, mediaType: 'application/pdf' },
      { type: 'audio', source: { data: 'AA==' }, mediaType: 'audio/mp3' },
      { type: 'video', source: { url: 'https://example.com/film.mp4' }, mediaType: 'video/mp4' },
      { type: 'file', source: { url: 'https://example.com/thing' } },
    ])
  })

  it('gives calls without an id one by their place, which their results bear too', () => {
    const call = (name: string, more = {}) => ({ functionCall: { name, args: { name }, ...more } })
    const result = (name: string, response: object, more = {}) => ({
      functionResponse: { name, response, ...more },
    })
    const { messages } = decode({
      contents: [
        { role: 'user', parts: [{ text: 'Go' }] },
        {
          role: 'model',
          parts: [
            { text: 'hm', thought: true },
            { text: 'm', thought: true, thoughtSignature: 'c2ln' },
            { ...call('f'), thoughtSignature: 'c2lnMg==' },
            call('f'),
            call('g', { id: 'mine' }),
          ],
        },
        {
          role: 'user',
          parts: [
            result('g', { error: 'no' }, { id: 'mine' }),
            result('f', { a: 1 }),
            result('f', { a: 2 }),
            { text: 'So?' },
          ],
        },
      ],
    })
    expect(messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'reasoning', text: 'hmm', signature: 'c2ln' },
          { type: 'tool-call', id: 'call_0', name: 'f', arguments: '{"name":"f"}', signature: 'c2lnMg==' },
          { type: 'tool-call', id: 'call_1', name: 'f', arguments: '{"name":"f"}' },
          { type: 'tool-call', id: 'mine', name: 'g', arguments: '{"name":"g"}' },
        ],
      },
      {
        role: 'tool',
        toolCallId: 'mine',
        name: 'g',
        content: [{ type: 'text', text: 'no' }],
        isError: true,
      },
      { role: 'tool', toolCallId: 'call_0', name: 'f', content: [{ type: 'text', text: '{"a":1}' }] },
      { role: 'tool', toolCallId: 'call_1', name: 'f', content: [{ type: 'text', text: '{"a":2}' }] },
      { role: 'user', content: [{ type: 'text', text: 'So?' }] },
    ])
  })

  it('makes a JSON Schema of Google’s own', () => {
    const { responseFormat } = decode({
      generationConfig: {
        responseMimeType: 'application/json',
        responseSchema: {
          type: 'OBJECT',
          properties: {
            type: { type: 'STRING', nullable: true, enum: ['A', 'B'] },
            list: {
              type: 'ARRAY',
              minItems: '1',
              items: { anyOf: [{ type: 'NUMBER' }, { type: 'BOOLEAN' }] },
            },
          },
          propertyOrdering: ['list', 'type'],
          required: ['list'],
        },
      },
    })
    expect(responseFormat).toEqual({
      type: 'json-schema',
      name: 'response',
      schema: {
        type: 'object',
        properties: {
          type: { type: ['string', 'null'], enum: ['A', 'B', null] },
          list: { type: 'array', minItems: 1, items: { anyOf: [{ type: 'number' }, { type: 'boolean' }] } },
        },
        required: ['list'],
      },
    })
  })

  it('offers only the functions that may be called', () => {
    const tools = [{ functionDeclarations: ['a', 'b', 'c'].map((name) => ({ name })) }]
    const choose = (functionCallingConfig: object) => {
      const { toolChoice, tools: offered } = decode({ tools, toolConfig: { functionCallingConfig } })
      return [toolChoice, offered.map(({ name }) => name).join('')]
    }
    expect(choose({ mode: 'ANY', allowedFunctionNames: ['a', 'c'] })).toEqual(['required', 'ac'])
    expect(choose({ mode: 'ANY' })).toEqual(['required', 'abc'])
    expect(choose({ mode: 'NONE' })).toEqual(['none', 'abc'])
    expect(choose({ mode: 'AUTO' })).toEqual(['auto', 'abc'])
    expect(choose({})).toEqual([undefined, 'abc'])
  })

  it.each([
    ['tools[0].googleSearch', { tools: [{ googleSearch: {} }] }],
    ['cachedContent', { cachedContent: 'cachedContents/1' }],
    ['generationConfig.candidateCount', { generationConfig: { candidateCount: 2 } }],
    ['generationConfig.responseModalities', { generationConfig: { responseModalities: ['TEXT', 'IMAGE'] } }],
    ['generationConfig.responseLogprobs', { generationConfig: { responseLogprobs: true } }],
    ['contents[0].parts[0]', { contents: [{ role: 'model', parts: [{ executableCode: {} }] }] }],
    [
      'contents[0].parts[0].functionResponse',
      { contents: [{ parts: [{ functionResponse: { name: 'f' } }] }] },
    ],
  ])('refuses %s, without which the answer would be another', (param, body) => {
    expect(failure(() => decode(body))).toMatchObject({ code: 'invalid_request', param })
  })
})

it('the estimate of tokens goes by the texts and counts files by the piece', () => {
  const file = { inlineData: { mimeType: 'image/png', data: 'A'.repeat(40_000) } }
  const contents = [{ role: 'user', parts: [{ text: 'a'.repeat(400) }, file] }]
  expect(estimateGeminiTokens({ contents })).toBe(1106)
  expect(estimateGeminiTokens({ generateContentRequest: { contents } })).toBe(1106)
})
