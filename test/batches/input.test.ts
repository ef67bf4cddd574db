import { describe, expect, test } from 'vitest'
import { createLineSet, readInputLines, splitRequests } from '#libs/batches'

async function* inPieces(text: string | Buffer, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = []
  for await (const item of items) found.push(item)
  return found
}

const sizes = [1, 2, 3, 7, 1_000]

describe.each(sizes)('in pieces of %i bytes', (size) => {
  test('lines are numbered, and blank ones are left out', async () => {
    const lines = await all(readInputLines(inPieces('\uFEFFä\r\n\n  \nb\n\nc', size), 100))
    expect(lines.map(({ number, text }) => [number, text?.trim()])).toEqual([
      [1, 'ä'],
      [4, 'b'],
      [6, 'c'],
    ])
  })

  test('a line that is too long, or no UTF-8, is told without its text', async () => {
    const input = Buffer.concat([
      Buffer.from('short\n'),
      Buffer.alloc(50, 'x'),
      Buffer.from('\n\xff\nlast\n', 'latin1'),
    ])
    const lines = await all(readInputLines(inPieces(input, size), 20))
    expect(lines.map(({ number, bytes, text }) => [number, bytes, text])).toEqual([
      [1, 5, 'short'],
      [2, 50, undefined],
      [3, 1, undefined],
      [4, 4, 'last'],
    ])
  })

  test('requests are found wherever they are', async () => {
    const requests = ['{"a":"]}\\"[{"}', '{ "b" : [ { } , [ ] ] }', '{}']
    const body = ` {"x":[{"requests":[{}]}],"y":"requests","requests": [\n${requests.join(' ,\n')} ] ,"z":{}}\n`
    expect(await all(splitRequests(inPieces(body, size), 1_000))).toEqual(requests)
  })

  test.each([
    '',
    '{',
    '[]',
    '{"requests":[{}]',
    '{"requests":[{}}',
    '{"requests":[1]}',
    '{"requests":[],"requests":[]}',
    '{}}',
  ])('the body %j is refused', async (body) => {
    await expect(all(splitRequests(inPieces(body, size), 1_000))).rejects.toMatchObject({
      code: 'invalid_json',
    })
  })
})

test('a body without requests, and a request that is too large, are refused by name', async () => {
  await expect(all(splitRequests(inPieces('{"a":1}', 10), 100))).rejects.toMatchObject({
    code: 'invalid_request',
    param: 'requests',
  })
  const large = `{"requests":[{"a":"${'x'.repeat(100)}"}]}`
  await expect(all(splitRequests(inPieces(large, 10), 100))).rejects.toMatchObject({
    code: 'request_too_large',
  })
})

test('a set of lines stays as small as their disorder', () => {
  const lines = createLineSet()
  for (const line of [2, 1, 3, 7, 5]) lines.add(line)
  expect(lines.toJSON()).toEqual({ upTo: 3, beyond: [7, 5] })
  const again = createLineSet(lines.toJSON())
  expect([3, 4, 5, 6, 7, 8].map((line) => again.has(line))).toEqual([true, false, true, false, true, false])
  for (const line of [4, 6]) again.add(line)
  expect(again.toJSON()).toEqual({ upTo: 7, beyond: [] })
})
