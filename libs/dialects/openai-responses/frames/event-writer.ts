/** Numbers the events of one call on, from the first's number. */
export interface EventWriter {
  readonly frames: string[]
  write(type: string, fields: Record<string, unknown>): void
}

export function createEventWriter(firstSeq: number): EventWriter {
  const frames: string[] = []
  return {
    frames,
    write(type, fields) {
      frames.push(JSON.stringify({ type, sequence_number: firstSeq + frames.length, ...fields }))
    },
  }
}
