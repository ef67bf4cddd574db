/**
 * Reads the answer to one HTTP/1.1 request off a socket and hands out its server-sent events as ranges of a
 * string. It knows only what the bench meets (chunked or until-close bodies, ASCII events), because the load
 * generator shares the processor with what it measures.
 */
export function createEventReader(onEvent: (text: string, start: number, end: number) => void) {
  let status = 0
  let unread = ''
  let body = ''
  let leftInChunk = 0

  function feed(bytes: Buffer): void {
    unread += bytes.toString('latin1')
    if (status === 0 && !readHead()) return
    readChunks()
    let start = 0
    for (let end = body.indexOf('\n\n'); end !== -1; end = body.indexOf('\n\n', start)) {
      onEvent(body, start, end)
      start = end + 2
    }
    if (start > 0) body = body.slice(start)
  }

  function readHead(): boolean {
    const end = unread.indexOf('\r\n\r\n')
    if (end === -1) return false
    status = Number(unread.slice(9, 12))
    const chunked = /\r\ntransfer-encoding: *chunked/i.test(unread.slice(0, end))
    if (!chunked) leftInChunk = Number.POSITIVE_INFINITY
    unread = unread.slice(end + 4)
    return true
  }

  function readChunks(): void {
    let at = 0
    while (at < unread.length) {
      if (leftInChunk > 0) {
        const end = Math.min(unread.length, at + leftInChunk)
        body += unread.slice(at, end)
        leftInChunk -= end - at
        at = end
        continue
      }
      const lineEnd = unread.indexOf('\r\n', at)
      if (lineEnd === -1) break
      // The line break after a chunk reads as an empty line before the next size.
      if (lineEnd > at) leftInChunk = Number.parseInt(unread.slice(at, lineEnd), 16)
      at = lineEnd + 2
    }
    unread = unread.slice(at)
  }

  return {
    feed,
    /** 0 until the head has arrived. */
    status: () => status,
    /** What follows the last whole event; of a refusal, its body. */
    rest: () => body,
  }
}
