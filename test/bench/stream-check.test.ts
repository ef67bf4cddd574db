import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterEach, describe, expect, it } from 'vitest'

import { openStream, type StreamEnd } from './load/one-stream.ts'
import { toReference } from './load/reference.ts'

const text = 'Lorem ipsum dolor sit amet, ipsum elit.'
const words = text.split(/(?= )/)
const servers: ReturnType<typeof createServer>[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
})

async function readFrom(answer: (response: ServerResponse) => void): Promise<StreamEnd> {
  const server = createServer((_, response) => answer(response)).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return new Promise((onEnd) => {
    const request = 'GET / HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n'
    openStream({
      port,
      request,
      dialect: 'openai-chat',
      reference: toReference('', text),
      onGap: () => {},
      onEnd,
    })
  })
}

const toFrame = (content: string, index: number) =>
  `id: chatcmpl-1:${index}\ndata: {"sequence_number":${index},"choices":[{"delta":{"content":"${content}"}}]}\n\n`
const done = 'data: [DONE]\n\n'
const send = (...contents: string[]) =>
  readFrom((response) => response.end(contents.map(toFrame).join('') + done))

describe('the bench reads a stream and', () => {
  it('finds it whole, however the bytes are cut and whatever stands between the frames', async () => {
    const body = `: keep-alive\n\n${words.map(toFrame).join(': keep-alive\n\n')}${done}`
    const end = await readFrom((response) => {
      for (const character of body) response.write(character)
      response.end()
    })
    expect(end).toEqual({ outcome: 'whole' })
    expect(await send(...words)).toEqual({ outcome: 'whole' })
    expect(await send(words.slice(0, 3).join(''), words.slice(3).join(''))).toEqual({ outcome: 'whole' })
  })

  it.each([
    ['lost', words.toSpliced(2, 1), { lostTokens: 1, duplicatedTokens: 0, reorderedTokens: 0 }],
    ['lost at the end', words.slice(0, -2), { lostTokens: 2, duplicatedTokens: 0, reorderedTokens: 0 }],
    ['doubled', words.toSpliced(2, 0, words[2]!), { lostTokens: 0, duplicatedTokens: 1, reorderedTokens: 0 }],
    [
      'in the wrong order',
      words.toSpliced(2, 2, words[3]!, words[2]!),
      { lostTokens: 0, duplicatedTokens: 0, reorderedTokens: 2 },
    ],
  ])('counts tokens that are %s', async (_, contents, damage) => {
    expect(await send(...contents)).toEqual({ outcome: 'damaged', damage })
  })

  it('notices a gap in the numbers where the text has none', async () => {
    const end = await readFrom((response) => {
      response.end(words.map((word, index) => toFrame(word, index < 3 ? index : index + 1)).join('') + done)
    })
    expect(end.outcome).toBe('damaged')
  })

  it('tells why a stream broke off, was refused or failed', async () => {
    const reasons = await Promise.all([
      readFrom((response) => response.write(toFrame('Lorem', 0), () => response.destroy())),
      readFrom((response) => response.writeHead(503).end('{"message":"draining"}')),
      readFrom((response) => response.end('event: error\ndata: {"error":{"code":"upstream_error"}}\n\n')),
    ])
    expect(reasons).toEqual([
      { outcome: 'failed', reason: expect.stringContaining('closed after HTTP 200 and 5 characters') },
      { outcome: 'failed', reason: expect.stringContaining('HTTP 503') },
      { outcome: 'failed', reason: expect.stringContaining('upstream_error') },
    ])
  })
})
