import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import type { Random } from './random.ts'
import type { StreamResult } from './stream-client.ts'

/** What one client asks for on one connection at a time, and how it behaves. */
export interface SocketPlan {
  /** The addresses that answer at the moment; each connection takes one of them. */
  urls: () => readonly string[]
  model: string
  /** One for each stream of the connection; unique, as for `StreamPlan`. */
  prompts: readonly string[]
  deadlineMs: number
  /** Hangs up after at most so long, again and again, and comes back. */
  leaveWithinMs?: number
  onEvent?: () => void
  random: Random
}

interface Course extends StreamResult {
  lastSeq: number
}

interface ServerEvent {
  type: string
  stream_id?: string
  sequence_number?: number
  response?: { id: string }
  delta?: string
  code?: unknown
}

const retryMs = 200
const comeBackCodes = new Set(['overloaded', 'draining', 'queue_full'])

/**
 * Asks for a response a prompt, each a stream of its own, and reads all of them to their ends over as many connections
 * as it takes: by `response.subscribe` once it knows a response, with the same idempotency key before.
 */
export async function readSocket(plan: SocketPlan): Promise<StreamResult[]> {
  const startedMs = performance.now()
  const courses = plan.prompts.map(newCourse)
  const left = (): number => plan.deadlineMs - (performance.now() - startedMs)
  while (courses.some(({ outcome }) => outcome === 'open') && left() > 0) {
    const urls = plan.urls()
    if (urls.length > 0) await connectOnce(plan, courses, plan.random.pick(urls), left())
    if (courses.some(({ outcome }) => outcome === 'open')) await sleep(plan.random.below(retryMs))
  }
  const tookMs = performance.now() - startedMs
  return courses.map((course) => ({ ...course, tookMs }))
}

function newCourse(prompt: string): Course {
  const faults = { lost: 0, duplicated: 0, reordered: 0, foreign: 0, untypedErrors: 0 }
  const start = { outcome: 'open', rid: undefined, code: undefined, text: '', frames: 0 } as const
  return { prompt, ...start, ...faults, resumes: 0, refusals: 0, tookMs: 0, lastSeq: -1 }
}

function connectOnce(plan: SocketPlan, courses: Course[], url: string, timeoutMs: number): Promise<void> {
  const { random, leaveWithinMs } = plan
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/v1/responses`, { perMessageDeflate: false })
  const stayMs = leaveWithinMs === undefined ? timeoutMs : Math.min(timeoutMs, random.below(leaveWithinMs))
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.terminate(), stayMs)
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(timer)
      resolve()
    })
    socket.on('open', () => {
      for (const [index, course] of courses.entries()) {
        if (course.outcome === 'open') socket.send(JSON.stringify(ask(plan, course, String(index))))
      }
    })
    socket.on('message', (data) => {
      // What arrives behind a hang-up was never read.
      if (socket.readyState !== WebSocket.OPEN) return
      const event = JSON.parse((data as Buffer).toString()) as ServerEvent
      plan.onEvent?.()
      const course = courses[Number(event.stream_id)]
      if (course === undefined) courses[0]!.foreign += 1
      else if (readEvent(course, event) === 'refused') retry(plan, course, event, socket)
      if (courses.every(({ outcome }) => outcome !== 'open')) socket.close()
    })
  })
}

function ask({ model }: SocketPlan, course: Course, name: string): object {
  if (course.rid !== undefined) {
    course.resumes += 1
    const { rid, lastSeq } = course
    return { type: 'response.subscribe', response_id: rid, starting_after: lastSeq, stream_id: name }
  }
  const millrace = { idempotency_key: course.prompt }
  return { type: 'response.create', model, input: course.prompt, stream_id: name, millrace }
}

function retry(plan: SocketPlan, course: Course, event: ServerEvent, socket: WebSocket): void {
  setTimeout(() => {
    if (socket.readyState === WebSocket.OPEN) {
      socket.send(JSON.stringify(ask(plan, course, event.stream_id ?? '')))
    }
  }, retryMs)
}

function readEvent(course: Course, event: ServerEvent): 'refused' | undefined {
  if (event.sequence_number === undefined) return readRefusal(course, event)
  if (!isNext(course, event.sequence_number)) return undefined
  course.frames += 1
  if (event.response !== undefined) {
    course.rid ??= event.response.id
    if (event.response.id !== course.rid) course.foreign += 1
  }
  if (event.type === 'response.output_text.delta') course.text += event.delta ?? ''
  if (event.type === 'error') noteError(course, event.code)
  if (event.type === 'response.completed') course.outcome = 'completed'
  if (event.type === 'response.failed' || event.type === 'response.incomplete') course.outcome = 'failed'
  return undefined
}

function readRefusal(course: Course, { code }: ServerEvent): 'refused' | undefined {
  if (typeof code === 'string' && comeBackCodes.has(code)) {
    course.refusals += 1
    return 'refused'
  }
  course.outcome = 'failed'
  noteError(course, code)
  return undefined
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
