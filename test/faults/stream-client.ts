import { request as httpRequest, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** What a client asks for, and how it behaves. */
export interface StreamPlan {
  /** The addresses that answer at the moment; each try takes one of them. */
  urls: () => readonly string[]
  model: string
  /** Unique among the streams of a test, so that the provider's journal can tell them apart. */
  prompt: string
  deadlineMs: number
  /** Hangs up after frames with these numbers, and resumes. */
  leaveAfter?: ReadonlySet<number>
  onFrame?: (seq: number) => void
}

/** What came of it, with everything that was wrong. */
export interface StreamResult {
  prompt: string
  rid: string | undefined
  outcome: 'completed' | 'failed' | 'open'
  /** The code of the error with which it failed. */
  code: string | undefined
  text: string
  frames: number
  lost: number
  duplicated: number
  reordered: number
  foreign: number
  untypedErrors: number
  resumes: number
  /** How often it was told to come back later. */
  refusals: number
  tookMs: number
}

interface Course extends StreamResult {
  lastSeq: number
  finished: boolean
  /** Ends the connection that is open. */
  hangUp: () => void
}

const retryMs = 200

/**
 * Asks for one stream and reads it to its end over as many connections as it takes: with `starting_after` or
 * `Last-Event-ID` once it knows its run, with the same Idempotency-Key before. Checks every frame as it comes.
 */
export async function readStream(plan: StreamPlan): Promise<StreamResult> {
  const startedMs = performance.now()
  const course = newCourse(plan.prompt)
  const left = (): number => plan.deadlineMs - (performance.now() - startedMs)
  for (let tries = 0; course.outcome === 'open' && left() > 0; tries += 1) {
    const urls = plan.urls()
    const url = urls[(tries + plan.prompt.length) % Math.max(urls.length, 1)]
    if (tries > 0 && course.rid !== undefined) course.resumes += 1
    const pauseMs = url === undefined ? retryMs : await connectOnce(plan, course, url, left())
    if (course.outcome === 'open') await sleep(Math.min(pauseMs, Math.max(left(), 0)))
  }
  course.tookMs = performance.now() - startedMs
  return course
}

function newCourse(prompt: string): Course {
  const faults = { lost: 0, duplicated: 0, reordered: 0, foreign: 0, untypedErrors: 0 }
  const start = { outcome: 'open', rid: undefined, code: undefined, text: '', frames: 0 } as const
  const counts = { resumes: 0, refusals: 0, tookMs: 0, lastSeq: -1, finished: false }
  return { prompt, ...start, ...faults, ...counts, hangUp: () => undefined }
}

/** Resolves, when the connection has ended, with how long to wait before the next. */
function connectOnce(plan: StreamPlan, course: Course, url: string, timeoutMs: number): Promise<number> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      resolve(course.lastSeq >= 0 ? 0 : retryMs)
    }
    const sent = open(plan, course, url)
    const timer = setTimeout(() => sent.destroy(), timeoutMs)
    course.hangUp = () => sent.destroy()
    sent.on('error', done).on('close', done)
    sent.on('response', (response) => {
      if (response.statusCode === 200) return readEvents(plan, course, response)
      readRefusal(course, response).then((pauseMs) => {
        clearTimeout(timer)
        resolve(pauseMs)
      }, done)
    })
    sent.end(course.rid === undefined ? bodyOf(plan) : undefined)
  })
}

function open({ prompt }: StreamPlan, { rid, lastSeq, resumes }: Course, url: string) {
  const { hostname, port } = new URL(url)
  const connection = { hostname, port, agent: false }
  const path = '/v1/chat/completions'
  if (rid === undefined) {
    const headers = { 'content-type': 'application/json', 'idempotency-key': prompt }
    return httpRequest({ ...connection, path, method: 'POST', headers })
  }
  const byHeader = resumes % 2 === 0 && lastSeq >= 0
  if (byHeader) {
    const headers = { accept: 'text/event-stream', 'last-event-id': `${rid}:${lastSeq}` }
    return httpRequest({ ...connection, path: `${path}/${rid}`, headers })
  }
  return httpRequest({ ...connection, path: `${path}/${rid}?stream=true&starting_after=${lastSeq}` })
}

function bodyOf({ model, prompt }: StreamPlan): string {
  return JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: prompt }] })
}

function readEvents(plan: StreamPlan, course: Course, response: IncomingMessage): void {
  course.rid ??= String(response.headers['x-millrace-run'])
  let unread = ''
  response.setEncoding('utf8')
  response.on('error', () => undefined)
  response.on('data', (chunk: string) => {
    const events = (unread + chunk).split('\n\n')
    unread = events.pop() ?? ''
    for (const event of events) {
      if (course.outcome !== 'open' || response.destroyed) return
      readEvent(plan, course, event)
    }
  })
}

interface Chunk {
  id?: string
  sequence_number: number
  choices?: { delta: { content?: string }; finish_reason: string | null }[]
  error?: { code?: unknown }
}

function readEvent(plan: StreamPlan, course: Course, event: string): void {
  if (event.startsWith(':')) return
  const data = event.slice(event.indexOf('data: ') + 6)
  if (data === '[DONE]') {
    if (course.finished) course.outcome = 'completed'
    else if (course.code !== undefined) course.outcome = 'failed'
    return
  }
  const chunk = JSON.parse(data) as Chunk
  if (!isNext(course, chunk.sequence_number)) return
  course.frames += 1
  if (chunk.error !== undefined) {
    noteError(course, chunk.error.code)
    return
  }
  if (chunk.id !== course.rid) course.foreign += 1
  const choice = chunk.choices?.[0]
  course.text += choice?.delta.content ?? ''
  if (choice?.finish_reason) course.finished = true
  plan.onFrame?.(chunk.sequence_number)
  if (plan.leaveAfter?.has(chunk.sequence_number)) course.hangUp()
}

function isNext(course: Course, seq: number): boolean {
  const expected = course.lastSeq + 1
  if (seq < expected) {
    if (seq === course.lastSeq) course.duplicated += 1
    else course.reordered += 1
    return false
  }
  course.lost += seq - expected
  course.lastSeq = seq
  return true
}

function noteError(course: Course, code: unknown): void {
  if (typeof code === 'string') course.code = code
  else course.untypedErrors += 1
}

const comeBackCodes = new Set(['overloaded', 'draining', 'queue_full'])

/** What an answer other than a stream says: to come back, or how the run failed. */
async function readRefusal(course: Course, response: IncomingMessage): Promise<number> {
  let body = ''
  response.setEncoding('utf8')
  for await (const chunk of response) body += String(chunk)
  if (response.statusCode === 204) {
    course.outcome = course.finished ? 'completed' : 'failed'
    return 0
  }
  const code = codeOf(body)
  if (code !== undefined && comeBackCodes.has(code)) {
    course.refusals += 1
    const afterMs = Number(response.headers['retry-after-ms'] ?? Number.NaN)
    if (Number.isNaN(afterMs)) course.untypedErrors += 1
    return Math.min(afterMs || retryMs, 2_000)
  }
  course.outcome = 'failed'
  noteError(course, code)
  course.rid ??= response.headers['x-millrace-run']?.toString()
  return 0
}

function codeOf(body: string): string | undefined {
  try {
    const { error } = JSON.parse(body) as { error?: { code?: unknown } }
    return typeof error?.code === 'string' ? error.code : undefined
  } catch {
    return undefined
  }
}
