import { GatewayError, isJsonObject } from '#libs/core'

/** Something that an operation has made, and that can be fetched. */
export interface OperationFile {
  /** What it is, such as `video`. */
  name: string
  /** Behind the base URL. */
  path: string
  /** The operation is whole without it. */
  isOptional?: true
}

/** How far an operation is. */
export type OperationState =
  | { status: 'running'; percent?: number }
  | { status: 'failed'; error: GatewayError }
  | { status: 'done'; files: OperationFile[] }

/**
 * Work that goes on at a provider when the call that began it has been answered; pure. What it reads of answers may
 * throw `upstream_protocol_error`.
 */
export interface OperationAdapter {
  /** The request that begins it. Throws `invalid_request` naming what it can't take. */
  toStart(body: Readonly<Record<string, unknown>>, model: string): { path: string; body: string }
  /** By what the operation is asked for later, as the answer tells. */
  readStarted(answer: string): string
  /** Where a GET tells how far it is. */
  toPath(operation: string): string
  readState(answer: string, operation: string): OperationState
}

/** The same inside the worker. It keeps nothing: the name of an operation tells all of it. */
export interface BuiltInOperation {
  start: (body: Readonly<Record<string, unknown>>, model: string) => string
  look: (operation: string) => OperationState
  read: (file: OperationFile) => { type: string; bytes: Buffer }
}

/** Reads a provider's JSON object. */
export function readObject(answer: string): Record<string, unknown> {
  let read: unknown
  try {
    read = JSON.parse(answer)
  } catch (cause) {
    throw unreadable('it is no JSON', cause)
  }
  if (!isJsonObject(read)) throw unreadable('it is no JSON object')
  return read
}

/** What an adapter throws where an answer is not what it knows. */
export function unreadable(reason: string, cause?: unknown): GatewayError {
  const message = `What the provider tells of its operation cannot be read: ${reason}.`
  return new GatewayError('upstream_protocol_error', message, { cause })
}
