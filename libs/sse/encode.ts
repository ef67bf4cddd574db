/** The fields of one event, each a single line. */
export interface SseFields {
  id?: string
  event?: string
  data: string
}

/**
 * One event as it goes on the wire. No field may hold a line break: that is what lets the hot path do without a
 * parser. `id` comes last, since there are clients that take only a block whose first line is `event` or `data`.
 */
export function sseEvent({ id, event, data }: SseFields): string {
  const head = event === undefined ? `data: ${data}\n` : `event: ${event}\ndata: ${data}\n`
  return id === undefined ? `${head}\n` : `${head}id: ${id}\n\n`
}

/** A line that readers skip, to keep a quiet connection open. `text` must not hold a line break. */
export function sseComment(text: string): string {
  return `: ${text}\n\n`
}
