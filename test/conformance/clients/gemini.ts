import { GoogleGenAI, type GenerateContentParameters, type GenerateContentResponse } from '@google/genai'
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

export const geminiClient: Client = {
  dialect: 'gemini',
  finishes: { stop: 'STOP', tool_calls: 'STOP' },
  tellsRaw: false,
  async ask(url, ask) {
    const { models } = new GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl: url } })
    const chunks: JsonObject[] = []
    try {
      const body = toBody(ask)
      if (ask.stream) {
        for await (const chunk of await models.generateContentStream(body)) chunks.push(toJson(chunk))
      } else chunks.push(toJson(await models.generateContent(body)))
      return read(chunks)
    } catch (error) {
      throw new Failure(error, chunks.length === 0 ? '' : read(chunks).text)
    }
  },
}

/** Without the accessors, each of which warns of what it leaves out. */
function toJson(response: GenerateContentResponse): JsonObject {
  return JSON.parse(JSON.stringify(response)) as JsonObject
}

function toBody({ model, after, ...ask }: Ask): GenerateContentParameters {
  const results = (after?.calls ?? []).map(({ id, name }) => ({
    functionResponse: { ...(id !== '' && { id }), name, response: { output: result } },
  }))
  return {
    model,
    contents: [
      {
        role: 'user',
        parts: [
          { text: question },
          ...(ask.image === true ? [{ inlineData: { mimeType: image.mediaType, data: image.data } }] : []),
        ],
      },
      ...(after === undefined
        ? []
        : [
            { role: 'model', parts: after.turn as object[] },
            { role: 'user', parts: results.length > 0 ? results : [{ text: next }] },
          ]),
    ],
    config: {
      systemInstruction: system,
      maxOutputTokens: maxTokens,
      ...(ask.tools === true && {
        tools: [{ functionDeclarations: [{ name: toolName, parametersJsonSchema: schema }] }],
      }),
      ...(ask.schema === true && { responseMimeType: 'application/json', responseJsonSchema: schema }),
      ...(ask.thinks === true && {
        thinkingConfig: { thinkingLevel: 'LOW' as never, includeThoughts: true },
      }),
    },
  }
}

function read(chunks: readonly JsonObject[]): Told {
  const candidates = chunks.flatMap((chunk) => (chunk.candidates ?? []) as JsonObject[])
  const parts = candidates.flatMap((candidate) => (candidate.content?.parts ?? []) as JsonObject[])
  const textsOf = (isThought: boolean): string =>
    parts
      .filter(({ thought }) => (thought === true) === isThought)
      .map(({ text }) => String(text ?? ''))
      .join('')
  const usage = (chunks.findLast((chunk) => chunk.usageMetadata !== undefined)?.usageMetadata ??
    {}) as JsonObject
  return {
    text: textsOf(false),
    thinking: textsOf(true),
    calls: parts.flatMap(({ functionCall: call }) =>
      call === undefined ? [] : [{ id: call.id ?? '', name: call.name, input: call.args as unknown }],
    ),
    finish: candidates.at(-1)?.finishReason,
    usage: {
      input: usage.promptTokenCount,
      output: usage.candidatesTokenCount + (usage.thoughtsTokenCount ?? 0),
    },
    turn: parts,
  }
}
