import { hash, randomUUID } from 'node:crypto'

/** The id of a run and of the resource that the client sees, such as `chatcmpl-0190…` (32 hex digits of a UUIDv7). */
export type RunId = string

const runIdPattern = /^(?:chatcmpl-|cmpl-|resp_|msg_|gen_|blk_|embd_|video_|run_)[0-9a-f]{32}$/

/** 74 of its bits are random, so an id can't be guessed; the first 48 are the time of making, in milliseconds. */
export function createRunId(prefix: string): RunId {
  return prefix + uuidv7Hex()
}

/**
 * The id of a run that can be named before it is made, and named again by whoever knows the seed. The seed must be
 * as hard to guess as an id is; `timeMs` takes the place of the time of making.
 */
export function deriveRunId(prefix: string, seed: string, timeMs: number): RunId {
  return `${prefix}${timeDigits(timeMs)}7${deriveHex(seed).slice(13)}`
}

/** 32 hex digits that stand for the seed and tell nothing of it. */
export function deriveHex(seed: string): string {
  return hash('sha256', seed).slice(0, 32)
}

/** What the gateway keeps beside runs, by the start of its ids. */
export type ResourceKind = 'file-' | 'batch_' | 'msgbatch_'

/** The id of a resource that is no run; it sorts by the time of its making, and can't be guessed either. */
export function createResourceId(kind: ResourceKind): string {
  return kind + uuidv7Hex()
}

/** Text from a URL or body is such an id only if this says so. */
export function isResourceId(kind: ResourceKind, text: unknown): text is string {
  return typeof text === 'string' && text.startsWith(kind) && /^[0-9a-f]{32}$/.test(text.slice(kind.length))
}

/** RFC 9562 version 7, made of a version 4: the time in front, the version's digit, and the random rest. */
function uuidv7Hex(): string {
  const random = randomUUID().replaceAll('-', '')
  return `${timeDigits(Date.now())}7${random.slice(13)}`
}

function timeDigits(timeMs: number): string {
  return timeMs.toString(16).padStart(12, '0')
}

/** Text from a URL is a run id only if this says so: nothing else may become part of a key or an object name. */
export function isRunId(text: string): boolean {
  return runIdPattern.test(text)
}

/** Milliseconds since 1970 at which the id of a run or resource was made. */
export function runIdTimeMs(rid: RunId): number {
  return Number.parseInt(rid.slice(-32, -20), 16)
}

/**
 * Makes the ids by which one process names its HTTP requests, in `x-request-id` and in the log; a run keeps that of
 * the request that made it. They tell requests apart and open no door, so they are counted and not drawn.
 */
export function createRequestIds(): () => string {
  const process = randomUUID().replaceAll('-', '').slice(12)
  let count = 0
  return () => `req_${process}${(++count).toString(16).padStart(12, '0')}`
}
