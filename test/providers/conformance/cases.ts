import { EventStreamCodec } from '@smithy/core/event-streams'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * One exchange with a provider, of the list in `test/fixtures/<type>/cases.json`: what a client asks for, what the provider must
 * get, what it answers, and what must come of it.
 */
export interface ConformanceCase {
  /** `answer`, `stream`, `tool-call` and `error` are asked of every chat provider; others tell what is special. */
  name: string
  /** The client's dialect; `openai-chat` if it is left out. */
  dialect?: string
  /** The client's body, without its model. A usual question if it is left out. */
  request?: Record<string, unknown>
  /** In place of `request`: the client's form, without its model and its file. */
  form?: Record<string, string>
  stream?: boolean
  options?: Record<string, string>
  /** The provider's name of the model, where what it speaks depends on it. */
  model?: string
  /** What the provider gets: its whole path, some of its headers, and its body or its form, to the last field. */
  sent?: { path?: string; headers?: Record<string, string>; body?: unknown; form?: object }
  /** The file of the answer: `.wav`, `.json`, `.sse`, `.txt`, or `.jsonl` with a line an event of AWS's binary stream. */
  answer: string
  status?: number
  contentType?: string
  expect: {
    /** Some of the whole answer, as a client gets it that does not stream; of one that is no JSON, `type` and `base64`. */
    answer?: object
    finish?: string
    usage?: object
    /** Some of the error's record. */
    error?: object
  }
}

export interface Fixtures {
  source: string
  cases: ConformanceCase[]
}

const root = join(import.meta.dirname, '../../fixtures')

/** The fixtures of a type, `undefined` where there are none. */
export function readFixtures(type: string): Fixtures | undefined {
  const directory = join(root, type)
  if (!existsSync(join(directory, 'cases.json')) || !existsSync(join(directory, 'SOURCE.md')))
    return undefined
  return {
    source: readFileSync(join(directory, 'SOURCE.md'), 'utf8'),
    cases: JSON.parse(readFileSync(join(directory, 'cases.json'), 'utf8')) as ConformanceCase[],
  }
}

/** The bytes that the provider answers with. */
export function readAnswerFile(type: string, name: string): Buffer {
  const bytes = readFileSync(join(root, type, name))
  return name.endsWith('.jsonl') ? encodeEventStream(bytes.toString()) : bytes
}

/** Each line is `{"event": …, "data": {…}}`; an event whose name ends in Exception is one. */
function encodeEventStream(lines: string): Buffer {
  const codec = new EventStreamCodec(String, (text) => Buffer.from(text))
  const messages = lines
    .trim()
    .split('\n')
    .map((line) => {
      const { event, data } = JSON.parse(line) as { event: string; data: unknown }
      const type = event.endsWith('Exception') ? 'exception' : 'event'
      return codec.encode({
        headers: {
          [`:${type}-type`]: { type: 'string', value: event },
          ':content-type': { type: 'string', value: 'application/json' },
          ':message-type': { type: 'string', value: type },
        },
        body: Buffer.from(JSON.stringify(data)),
      })
    })
  return Buffer.concat(messages)
}
