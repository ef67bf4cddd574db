import { uuidv7obj } from 'uuidv7'

/** The id of a run and of the resource that the client sees, such as `chatcmpl-0190…` (32 hex digits of a UUIDv7). */
export type RunId = string

const runIdPattern = /^(?:chatcmpl-|resp_|msg_|gen_|embd_|run_)[0-9a-f]{32}$/

/** 74 of its bits are random, so an id can't be guessed; the first 48 are the time of making, in milliseconds. */
export function createRunId(prefix: string): RunId {
  return prefix + uuidv7obj().toHex()
}

/** Text from a URL is a run id only if this says so: nothing else may become part of a key or an object name. */
export function isRunId(text: string): boolean {
  return runIdPattern.test(text)
}

/** Milliseconds since 1970 at which the id was made. */
export function runIdTimeMs(rid: RunId): number {
  return Number.parseInt(rid.slice(-32, -20), 16)
}

export function createRequestId(): string {
  return `req_${uuidv7obj().toHex()}`
}
