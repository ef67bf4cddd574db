import { Redis } from 'ioredis'
import OpenAI from 'openai'
import type { Stream } from 'openai/streaming'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, useGateway } from '../support/gateway.ts'
import { cutAfter, recordingFetch } from '../support/http.ts'
import { type S3TestServer, startS3 } from '../support/s3.ts'

type Chunk = OpenAI.ChatCompletionChunk & { sequence_number: number }

const lastSeq = 41
const messages = [{ role: 'user' as const, content: 'Tell me a story.' }]

describe.each(['directory', 's3'])('with the %s archive', (driver) => {
  let s3: S3TestServer | undefined
  beforeAll(async () => {
    if (driver === 's3') s3 = await startS3()
  })
  const gateway = useGateway(() => ({ apis: 2, ...(s3 !== undefined && { s3 }) }))
  let redis: Redis
  beforeAll(() => {
    redis = new Redis(gateway().redis.url)
  })
  afterAll(async () => {
    await redis.quit()
    await s3?.close()
  })

  const read = async (rid: string, query = '', headers: Record<string, string> = {}) => {
    const [, other] = gateway().apis
    const response = await fetch(`${other?.url}/v1/chat/completions/${rid}?stream=true${query}`, { headers })
    return { status: response.status, headers: response.headers, body: await response.text() }
  }

  /** Takes the run out of Redis, as time would, once the archive has it. */
  async function forget(rid: string): Promise<void> {
    await eventually('the run is archived', async () => (await redis.zscore('mr:outbox', rid)) === null)
    await redis.del(`mr:run:${rid}`, `mr:body:${rid}`, `mr:log:${rid}`)
  }

  test('a stream that is cut and resumed at another API is the same to the byte', async () => {
    const { simulator, apis } = gateway()
    simulator.reset()
    const recorder = recordingFetch()
    const [here, there] = apis.map(
      ({ url }) => new OpenAI({ apiKey: 'none', baseURL: `${url}/v1`, fetch: recorder.fetch }),
    )
    const stream = await here!.chat.completions.create({
      model: 'upstream/lorem?tokens=40&gap_ms=15',
      stream: true,
      messages,
    })
    let rid = ''
    let uncut: Promise<{ body: string }> | undefined
    for await (const chunk of stream) {
      rid = chunk.id
      uncut ??= read(rid)
      if ((chunk as Chunk).sequence_number === 15) break
    }
    const rest = (await there!.get(`/chat/completions/${rid}`, {
      query: { stream: true, starting_after: 15 },
      stream: true,
    })) as Stream<Chunk>
    const seqs: number[] = []
    for await (const chunk of rest) seqs.push(chunk.sequence_number)

    const whole = (await uncut)!.body
    const [before, after] = cutAfter(whole, 15)
    expect(seqs).toEqual(Array.from({ length: lastSeq - 15 }, (_, index) => 16 + index))
    expect(cutAfter(recorder.bodies[0]!, 15)[0]).toBe(before)
    expect(recorder.bodies[1]).toBe(after)

    for (const kept of ['Redis', 'the archive']) {
      if (kept === 'the archive') await forget(rid)
      for (let seq = -1; seq <= lastSeq; seq += 1) {
        const resumed = await read(rid, `&starting_after=${seq}`)
        expect(resumed.body, `from ${seq} on, out of ${kept}`).toBe(seq < 0 ? whole : cutAfter(whole, seq)[1])
        expect(Object.fromEntries(resumed.headers)).toMatchObject({
          'content-type': 'text/event-stream; charset=utf-8',
          'cache-control': 'no-cache, no-transform',
          'x-accel-buffering': 'no',
          'x-millrace-run': rid,
        })
      }
      expect(await read(rid, '', { 'last-event-id': `${rid}:15` })).toMatchObject({
        status: 200,
        body: after,
      })
      expect(await read(rid, '', { 'last-event-id': `${rid}:${lastSeq}` })).toMatchObject({
        status: 204,
        body: '',
      })
    }
    expect(simulator.journal().totals).toMatchObject({ calls: 1, closedBy: { finished: 1 } })
  })

  test('an answer that was not streamed can be read as a stream, from Redis and the archive alike', async () => {
    const [api] = gateway().apis
    const client = new OpenAI({ apiKey: 'none', baseURL: `${api?.url}/v1` })
    const model = 'upstream/lorem?tokens=8'
    const { id, choices } = await client.chat.completions.create({ model, messages })
    const whole = await read(id)
    expect(whole.body.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(whole.body).toContain(choices[0]!.message.content)

    const first = cutAfter(whole.body, 0)[1]
    expect((await read(id, '&starting_after=0')).body).toBe(first)
    await forget(id)
    expect((await read(id)).body).toBe(whole.body)
    expect((await read(id, '&starting_after=0')).body).toBe(first)
    expect(await client.chat.completions.retrieve(id)).toMatchObject({ id, choices })
  })

  test('an answer that failed tells so wherever it is read', async () => {
    const [api] = gateway().apis
    const model = 'upstream/lorem?tokens=9&fail=reset&at=4'
    const response = await fetch(`${api?.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model, stream: true, messages }),
    })
    const rid = response.headers.get('x-millrace-run')!
    const whole = await response.text()
    expect(whole).toMatch(/event: error\ndata: {"error":{[^\n]+}\n\ndata: \[DONE]\n\n$/)

    expect((await read(rid)).body).toBe(whole)
    const get = async () => {
      const answer = await fetch(`${api?.url}/v1/chat/completions/${rid}`)
      return { status: answer.status, error: (await answer.json()) as unknown }
    }
    const failure = await get()
    expect(failure).toMatchObject({ status: 502, error: { error: { type: 'server_error', param: null } } })
    await forget(rid)
    expect((await read(rid)).body).toBe(whole)
    expect(await get()).toEqual(failure)
  })
})
