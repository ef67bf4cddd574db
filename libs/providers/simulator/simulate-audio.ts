import { hash } from 'node:crypto'
import { GatewayError, isJsonObject, isMedia, parseForm, type Media } from '#libs/core'
import { loremWords } from './lorem.ts'

const sampleRate = 8000
const samplesPerWord = 400
const mostWords = 200
const transcribedWords = 12

/** A WAV file of 8 bits and one channel, whatever format was asked for: a short tone for each word, the same for the same. */
export function simulateSpeech(body: unknown): Media {
  const input = isJsonObject(body) ? body.input : undefined
  if (typeof input !== 'string' || input.trim() === '') throw invalid('input', 'must be a text')
  const words = input.trim().split(/\s+/).slice(0, mostWords)
  return { type: 'audio/wav', bytes: toWav(Buffer.concat(words.map(toTone))) }
}

/** Lorem ipsum in the form that `response_format` asks for, the same for the same file. */
export function simulateTranscription(body: unknown): string | Media {
  const parts = isMedia(body) ? parseForm(body) : []
  const read = (name: string): Buffer | undefined => {
    const part = parts.find((each) => each.name === name)
    return part && isMedia(body) ? body.bytes.subarray(part.start, part.end) : undefined
  }
  const file = read('file')
  if (file === undefined) throw invalid('file', 'must be there')
  const text = loremWords(transcribedWords, hash('sha256', file, 'buffer').readUInt32LE()).join('')
  const format = read('response_format')?.toString() ?? 'json'
  switch (format) {
    case 'text':
      return { type: 'text/plain; charset=utf-8', bytes: Buffer.from(`${text}\n`) }
    case 'json':
      return JSON.stringify({ text, usage: countTokens(file) })
    case 'verbose_json':
      return JSON.stringify({ task: 'transcribe', language: 'latin', duration: 1, text, segments: [] })
    default:
      throw invalid('response_format', 'must be json, verbose_json or text')
  }
}

function countTokens({ length }: Buffer) {
  const input = Math.ceil(length / sampleRate)
  return {
    type: 'tokens',
    input_tokens: input,
    output_tokens: transcribedWords,
    total_tokens: input + transcribedWords,
  }
}

/** From 200 to 455 Hz, as its hash tells. */
function toTone(word: string): Buffer {
  const pitch = 200 + hash('sha256', word, 'buffer').readUInt8()
  const samples = Array.from({ length: samplesPerWord }, (_, at) =>
    Math.round(128 + 64 * Math.sin((2 * Math.PI * pitch * at) / sampleRate)),
  )
  return Buffer.from(samples)
}

function toWav(samples: Buffer): Buffer {
  const header = Buffer.alloc(44)
  header.write('RIFF', 0)
  header.writeUInt32LE(36 + samples.length, 4)
  header.write('WAVEfmt ', 8)
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(sampleRate, 24)
  header.writeUInt32LE(sampleRate, 28)
  header.writeUInt16LE(1, 32)
  header.writeUInt16LE(8, 34)
  header.write('data', 36)
  header.writeUInt32LE(samples.length, 40)
  return Buffer.concat([header, samples])
}

function invalid(param: string, problem: string): GatewayError {
  return new GatewayError('invalid_request', `'${param}' ${problem}.`, { param })
}
