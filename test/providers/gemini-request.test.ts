import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GatewayError, type CanonicalRequest } from '#libs/core'
import { findProviderSpec, gemini } from '#libs/providers'

function toBody(request: Partial<CanonicalRequest>): Record<string, unknown> {
  const { body } = gemini.adapter!.toRequest({
    model: 'gemini-2.5-flash',
    system: [],
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
    tools: [],
    stop: [],
    extensions: {},
    ...request,
  })
  return JSON.parse(body) as Record<string, unknown>
}

it('is known by its type, and found by its key', () => {
  expect(findProviderSpec('gemini')).toBe(gemini)
  expect(gemini.environment?.key).toBe('GEMINI_API_KEY')
})

describe('the path of a call', () => {
  const path = (model: string, stream: boolean) => gemini.native.gemini?.({ model, stream, options: {} })

  it('names the model and the method', () => {
    expect(path('gemini-2.5-pro', false)).toBe('/models/gemini-2.5-pro:generateContent')
    expect(path('models/gemini-2.5-pro', true)).toBe('/models/gemini-2.5-pro:streamGenerateContent?alt=sse')
    expect(path('tunedModels/mine-1', false)).toBe('/tunedModels/mine-1:generateContent')
  })

  it('is none but the model’s, whatever its name', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, unit: fc.constantFrom('.', '/', '?', '#', '%', ':', 'a', '\\') }),
        (name) => {
          const url = new URL(`https://host/v1beta${path(name, false)}`)
          expect(url.pathname).toMatch(/^\/v1beta\/(?:models|tunedModels)\/[^/]+:generateContent$/)
          expect(url.search + url.hash).toBe('')
        },
      ),
    )
  })
})

describe('a canonical request for Gemini', () => {
  it('has its settings', () => {
    const request = toBody({
      system: [{ type: 'text', text: 'Be brief.' }],
      temperature: 0.5,
      topP: 0.9,
      topK: 40,
      maxOutputTokens: 100,
      stop: ['END'],
      seed: 7,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      responseFormat: { type: 'json-schema', name: 'x', schema: { type: 'object', $defs: {} } },
      tools: [{ name: 'f', description: 'd', parameters: { type: 'object' } }],
      toolChoice: { name: 'f' },
    })
    expect(request).toEqual({
      systemInstruction: { parts: [{ text: 'Be brief.' }] },
      contents: [{ role: 'user', parts: [{ text: 'Hi' }] }],
      tools: [
        { functionDeclarations: [{ name: 'f', description: 'd', parametersJsonSchema: { type: 'object' } }] },
      ],
      toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] } },
      generationConfig: {
        temperature: 0.5,
        topP: 0.9,
        topK: 40,
        maxOutputTokens: 100,
        stopSequences: ['END'],
        seed: 7,
        presencePenalty: 0.1,
        frequencyPenalty: 0.2,
        responseMimeType: 'application/json',
        responseJsonSchema: { type: 'object', $defs: {} },
      },
    })
  })

  it('has files inline and by address', () => {
    const { contents } = toBody({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image', source: { data: 'AA==' }, mediaType: 'image/png' },
            { type: 'file', source: { data: 'AA==' } },
            { type: 'video', source: { url: 'https://youtu.be/x' } },
            { type: 'file', source: { fileId: 'files/1' }, mediaType: 'text/plain' },
          ],
        },
      ],
    })
    expect(contents).toEqual([
      {
        role: 'user',
        parts: [
          { inlineData: { mimeType: 'image/png', data: 'AA==' } },
          { inlineData: { mimeType: 'application/pdf', data: 'AA==' } },
          { fileData: { fileUri: 'https://youtu.be/x' } },
          { fileData: { fileUri: 'files/1', mimeType: 'text/plain' } },
        ],
      },
    ])
  })

  it('has the signature of a text, behind it', () => {
    const [text] = toBody({
      messages: [
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'Hi' },
            { type: 'reasoning', text: '', signature: 'c2ln' },
          ],
        },
      ],
    }).contents as object[]
    expect(text).toEqual({
      role: 'model',
      parts: [{ text: 'Hi' }, { text: '', thoughtSignature: 'c2ln' }],
    })
  })

  const toolTurn = (signatures: (string | undefined)[]): CanonicalRequest['messages'] => [
    { role: 'user', content: [{ type: 'text', text: 'Go' }] },
    {
      role: 'assistant',
      content: signatures.map((signature, index) => ({
        type: 'tool-call',
        id: `c${index}`,
        name: 'f',
        arguments: index === 0 ? '' : '{"a":1}',
        ...(signature !== undefined && { signature }),
      })),
    },
    { role: 'tool', toolCallId: 'c0', content: [{ type: 'text', text: 'plain' }] },
    { role: 'tool', toolCallId: 'c1', content: [{ type: 'text', text: '{"b":2}' }] },
    { role: 'tool', toolCallId: 'c0', content: [{ type: 'text', text: 'broke' }], isError: true },
  ]

  it('has the results of one turn in one content', () => {
    expect(toBody({ messages: toolTurn(['c2ln', undefined]) }).contents).toEqual([
      { role: 'user', parts: [{ text: 'Go' }] },
      {
        role: 'model',
        parts: [
          { functionCall: { id: 'c0', name: 'f', args: {} }, thoughtSignature: 'c2ln' },
          { functionCall: { id: 'c1', name: 'f', args: { a: 1 } } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { id: 'c0', name: 'f', response: { output: 'plain' } } },
          { functionResponse: { id: 'c1', name: 'f', response: { b: 2 } } },
          { functionResponse: { id: 'c0', name: 'f', response: { error: 'broke' } } },
        ],
      },
    ])
  })

  it('has Google’s stand-in for a signature that the client lost, from Gemini 3 on', () => {
    const signatures = (model: string, given: (string | undefined)[]) => {
      const contents = toBody({ model, messages: toolTurn(given) }).contents as {
        parts: { thoughtSignature?: string }[]
      }[]
      return contents[1]?.parts.map((part) => part.thoughtSignature)
    }
    const standIn = 'skip_thought_signature_validator'
    expect(signatures('gemini-2.5-pro', [undefined, undefined])).toEqual([undefined, undefined])
    expect(signatures('gemini-3-pro-preview', [undefined, undefined])).toEqual([standIn, undefined])
    expect(signatures('gemini-flash-latest', [undefined, undefined])).toEqual([standIn, undefined])
    expect(signatures('gemini-3-pro-preview', ['c2ln', undefined])).toEqual(['c2ln', undefined])
  })

  it('asks for as much thinking as was wished, in the words of the model’s generation', () => {
    const thinking = (model: string, reasoning: CanonicalRequest['reasoning']) =>
      (toBody({ model, reasoning: reasoning! }).generationConfig as { thinkingConfig: object }).thinkingConfig
    expect(thinking('gemini-2.5-flash', { effort: 'medium' })).toEqual({
      thinkingBudget: 8192,
      includeThoughts: true,
    })
    expect(thinking('gemini-2.5-flash', { effort: 'none' })).toEqual({
      thinkingBudget: 0,
      includeThoughts: false,
    })
    expect(thinking('gemini-3-flash', { effort: 'xhigh' })).toEqual({
      thinkingLevel: 'high',
      includeThoughts: true,
    })
    expect(thinking('gemini-3-flash', { budgetTokens: 99 })).toEqual({
      thinkingBudget: 99,
      includeThoughts: true,
    })
  })

  it('is refused where Gemini would answer something else', () => {
    const refused = (request: Partial<CanonicalRequest>) =>
      expect(() => toBody(request)).toThrow(GatewayError)
    refused({ logprobs: { top: 2 } })
    refused({ messages: [{ role: 'tool', toolCallId: 'x', content: [] }] })
    refused({ messages: [{ role: 'user', content: [{ type: 'image', source: { data: 'AA==' } }] }] })
    refused({
      messages: [
        { role: 'assistant', content: [{ type: 'tool-call', id: 'x', name: 'f', arguments: '[1' }] },
      ],
    })
  })
})
