import { GatewayError } from '#libs/core'

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/**
 * The elements of the array `requests` in a JSON object, as text, while the object comes in pieces: the whole of it is
 * never in memory. An element is checked by whoever parses it; what is around them, only as far as it takes to find
 * them. Throws `invalid_json` for what can't be such an object, and `invalid_request` if there is no such array.
 */
export async function* splitRequests(
  pieces: AsyncIterable<Uint8Array>,
  maxElementBytes: number,
): AsyncGenerator<string> {
  const scanner = createScanner()
  let kept: Uint8Array[] = []
  let keptBytes = 0
  const keep = (bytes: Uint8Array): void => {
    keptBytes += bytes.length
    if (keptBytes > maxElementBytes) throw tooLarge(maxElementBytes)
    kept.push(bytes)
  }
  for await (const piece of pieces) {
    let start = 0
    for (let at = 0; at < piece.length; at++) {
      const found = advance(scanner, piece[at] ?? 0)
      if (found === 'begins') start = at
      if (found !== 'ends') continue
      keep(piece.subarray(start, at + 1))
      yield Buffer.concat(kept).toString()
      kept = []
      keptBytes = 0
    }
    if (scanner.place === 'element') keep(piece.subarray(start))
  }
  if (scanner.place !== 'end') throw invalid()
  if (scanner.isFound) return
  throw new GatewayError('invalid_request', 'requests is required: a list of requests.', {
    param: 'requests',
  })
}

/** Where a text has come to, byte by byte. */
interface Scanner {
  place: 'start' | 'object' | 'array' | 'element' | 'end'
  /** Of what is open in the outermost object, and of what is open in an element. */
  depth: number
  elementDepth: number
  inString: boolean
  isEscaped: boolean
  /** The last string right in the outermost object: a `[` behind it makes it a key. */
  key: string
  isFound: boolean
  expected: 'element' | 'comma' | 'either'
}

function createScanner(): Scanner {
  return {
    place: 'start',
    depth: 0,
    elementDepth: 0,
    inString: false,
    isEscaped: false,
    key: '',
    isFound: false,
    expected: 'either',
  }
}

/** Takes the next byte, and says whether an element begins or ends with it. */
function advance(scanner: Scanner, code: number): 'begins' | 'ends' | undefined {
  if (scanner.inString) readString(scanner, code)
  else if (isBlank(code)) return undefined
  else if (scanner.place === 'array') return readArray(scanner, code)
  else if (scanner.place === 'element') return readElement(scanner, code)
  else if (scanner.place === 'object') readObject(scanner, code)
  else if (scanner.place === 'end' || code !== openBrace) throw invalid()
  else {
    scanner.place = 'object'
    scanner.depth = 1
  }
  return undefined
}

function readString(scanner: Scanner, code: number): void {
  const { place, depth, isEscaped } = scanner
  if (place === 'object' && depth === 1 && (isEscaped || code !== quote))
    scanner.key += String.fromCharCode(code)
  if (isEscaped) scanner.isEscaped = false
  else if (code === backslash) scanner.isEscaped = true
  else if (code === quote) scanner.inString = false
}

function readObject(scanner: Scanner, code: number): void {
  if (code === quote) {
    scanner.inString = true
    scanner.key = ''
  } else if (code === openBracket && scanner.depth === 1 && scanner.key === 'requests') {
    if (scanner.isFound) throw invalid()
    scanner.isFound = true
    scanner.place = 'array'
  } else if (opens(code)) {
    scanner.depth += 1
  } else if (closes(code)) {
    scanner.depth -= 1
    if (scanner.depth === 0) scanner.place = 'end'
  }
}

function readArray(scanner: Scanner, code: number): 'begins' | undefined {
  const { expected } = scanner
  if (code === openBrace && expected !== 'comma') {
    scanner.place = 'element'
    scanner.elementDepth = 1
    return 'begins'
  }
  if (code === comma && expected === 'comma') scanner.expected = 'element'
  else if (code === closeBracket && expected !== 'element') scanner.place = 'object'
  else throw invalid()
  return undefined
}

function readElement(scanner: Scanner, code: number): 'ends' | undefined {
  if (code === quote) scanner.inString = true
  else if (opens(code)) scanner.elementDepth += 1
  else if (closes(code)) scanner.elementDepth -= 1
  if (scanner.elementDepth > 0) return undefined
  scanner.place = 'array'
  scanner.expected = 'comma'
  return 'ends'
}

function opens(code: number): boolean {
  return code === openBrace || code === openBracket
}

function closes(code: number): boolean {
  return code === closeBrace || code === closeBracket
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

function invalid(): GatewayError {
  return new GatewayError('invalid_json', 'The body is not valid JSON.')
}

function tooLarge(maxElementBytes: number): GatewayError {
  return new GatewayError('request_too_large', `A request has more than ${maxElementBytes} bytes.`, {
    param: 'requests',
  })
}
