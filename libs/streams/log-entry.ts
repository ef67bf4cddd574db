/**
 * One append to a stream log: the frames that were gathered since the one before. `seq` numbers its last frame,
 * so its first is `seq - count + 1`. An end without frames (`count` 0) takes the next number for itself.
 */
export interface LogEntry {
  epoch: number
  seq: number
  count: number
  /** Empty, or `o{…}` with how the run was opened, or `e{…}` with how it ended: then it is the last entry. */
  meta: string
  /** The frames, a line each. A whole answer that was not streamed is one frame and may have many lines. */
  payload: string
}

/** The number that a reader must stand right before, to take the entry without a gap. */
export function firstSeq(entry: LogEntry): number {
  return entry.seq - Math.max(entry.count, 1) + 1
}

/** The frames of an entry that come after number `seq`. */
export function framesAfter(entry: LogEntry, seq: number): string[] {
  if (entry.seq <= seq || entry.count === 0) return []
  const frames = entry.count === 1 ? [entry.payload] : entry.payload.split('\n')
  const first = firstSeq(entry)
  return first > seq ? frames : frames.slice(seq - first + 1)
}

/** Whether nothing comes after this entry. */
export function isEnd(entry: LogEntry): boolean {
  return entry.meta.startsWith('e')
}

/** What `append` and `end` publish: `<rid>\n<epoch>-<seq> <count>\n<meta>\n<payload>`. */
export function parseMessage(message: string): { rid: string; entry: LogEntry } {
  const first = message.indexOf('\n')
  const second = message.indexOf('\n', first + 1)
  const third = message.indexOf('\n', second + 1)
  const position = message.slice(first + 1, second)
  const space = position.indexOf(' ')
  return {
    rid: message.slice(0, first),
    entry: {
      ...parsePosition(position.slice(0, space)),
      count: Number(position.slice(space + 1)),
      meta: message.slice(second + 1, third),
      payload: message.slice(third + 1),
    },
  }
}

/** An entry as XRANGE gives it. */
export function parseStreamEntry(id: string, fields: readonly string[]): LogEntry {
  const entry: LogEntry = { ...parsePosition(id), count: 0, meta: '', payload: '' }
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const value = fields[at + 1] ?? ''
    if (fields[at] === 'n') entry.count = Number(value)
    else if (fields[at] === 'm') entry.meta = value
    else if (fields[at] === 'd') entry.payload = value
  }
  return entry
}

function parsePosition(id: string): { epoch: number; seq: number } {
  const dash = id.indexOf('-')
  return { epoch: Number(id.slice(0, dash)), seq: Number(id.slice(dash + 1)) }
}
