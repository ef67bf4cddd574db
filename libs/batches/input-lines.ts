/** A line of an input that is not blank; without `text` if it is too long or not UTF-8. */
export interface InputLine {
  /** Counted from 1, blank lines included. */
  number: number
  bytes: number
  text: string | undefined
}

const lineBreak = 0x0a
const byteOrderMark = '\uFEFF'
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Splits an input of any length, of which no more than a piece and a line are in memory. */
export async function* readInputLines(
  pieces: AsyncIterable<Uint8Array>,
  maxLineBytes: number,
): AsyncGenerator<InputLine> {
  let number = 0
  let kept: Uint8Array[] = []
  let keptBytes = 0

  function takeLine(end: Uint8Array): InputLine | undefined {
    number += 1
    const bytes = keptBytes + end.length
    // Of a line that is too long only the length is kept.
    const text = bytes > maxLineBytes ? undefined : decode(Buffer.concat([...kept, end]), number === 1)
    kept = []
    keptBytes = 0
    return text?.trim() === '' ? undefined : { number, bytes, text }
  }

  for await (const piece of pieces) {
    let from = 0
    for (let at = piece.indexOf(lineBreak); at !== -1; at = piece.indexOf(lineBreak, from)) {
      const line = takeLine(piece.subarray(from, at))
      from = at + 1
      if (line !== undefined) yield line
    }
    keptBytes += piece.length - from
    if (keptBytes <= maxLineBytes) kept.push(piece.subarray(from))
    else kept = []
  }
  const last = keptBytes > 0 ? takeLine(new Uint8Array()) : undefined
  if (last !== undefined) yield last
}

function decode(bytes: Uint8Array, isFirst: boolean): string | undefined {
  try {
    const text = decoder.decode(bytes)
    return isFirst && text.startsWith(byteOrderMark) ? text.slice(1) : text
  } catch {
    return undefined
  }
}
