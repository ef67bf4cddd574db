import type { Socket } from 'node:net'

const uploading = new WeakSet<Socket>()

/**
 * Lets the request on this socket come as slowly as its sender sends it, and not within the time that all others
 * have. The caller sees to it that it comes at all.
 */
export function letTakeLong(socket: Socket): void {
  uploading.add(socket)
}

/** The socket's next request has no more time than any. */
export function endTakingLong(socket: Socket): void {
  uploading.delete(socket)
}

export function mayTakeLong(socket: Socket): boolean {
  return uploading.has(socket)
}
