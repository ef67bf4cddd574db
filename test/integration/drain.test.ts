import { beforeEach, describe, expect, test } from 'vitest'
import { eventually, useGateway } from '../support/gateway.ts'
import { callApi, cutAfter } from '../support/http.ts'

const chats = '/v1/chat/completions'
const messages = [{ role: 'user', content: 'Hello' }]
/** Takes 800 ms. */
const body = { model: 'upstream/lorem?tokens=40&gap_ms=20', stream: true, messages }

function stream(url: string, fields: object = {}): Promise<Response> {
  return fetch(url + chats, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, ...fields }),
  })
}

describe('a process that is told to stop', () => {
  const gateway = useGateway({ apis: 2, workers: 2 })
  beforeEach(async () => {
    await gateway().simulator.idle()
    gateway().simulator.reset()
  })

  test('as an API: finishes its streams and answers, takes nothing new, and exits with 0', async () => {
    const [stopping, staying] = gateway().apis
    const streaming = await stream(stopping!.url)
    const whole = callApi(stopping!.url + chats, { body: { ...body, stream: false } })
    await eventually('both calls are made', () => gateway().simulator.journal().totals.calls === 2)
    const code = stopping!.stop('SIGTERM')
    expect(await streaming.text()).toMatch(/"finish_reason":"stop"[^]*data: \[DONE]\n\n$/)
    expect(await whole).toMatchObject({ status: 200, json: { choices: [{ finish_reason: 'stop' }] } })
    expect(await code).toBe(0)
    await expect(stream(stopping!.url)).rejects.toThrow()
    expect((await stream(staying!.url, { model: 'upstream/lorem?tokens=1' })).status).toBe(200)
    await stopping!.restart()
  })

  test('as a worker: finishes its runs, while another takes what is new', async () => {
    const [first, second] = gateway().workers
    const answers = await Promise.all(Array.from({ length: 6 }, () => stream(gateway().url)))
    const codes = [first!.stop('SIGTERM')]
    const next = await stream(gateway().url, { model: 'upstream/lorem?tokens=3' })
    expect(await next.text()).toContain('"finish_reason":"stop"')
    for (const answer of answers) expect(await answer.text()).toMatch(/"finish_reason":"stop"[^]*\[DONE]/)
    expect(await codes[0]).toBe(0)
    await first!.restart()
    expect(await second!.stop('SIGTERM')).toBe(0)
    expect(await (await stream(gateway().url)).text()).toContain('"finish_reason":"stop"')
    await second!.restart()
    expect(gateway().simulator.journal().totals).toMatchObject({ calls: 8, closedBy: { finished: 8 } })
  })

  test('as the only worker: what came meanwhile waits for the next', async () => {
    await Promise.all(gateway().workers.map((worker) => worker.stop('SIGTERM')))
    const waiting = stream(gateway().url, { model: 'upstream/lorem?tokens=3' })
    const { json } = await callApi(`${gateway().url}/v1/jobs`)
    expect(json.object).toBe('list')
    await Promise.all(gateway().workers.map((worker) => worker.restart()))
    expect(await (await waiting).text()).toContain('"finish_reason":"stop"')
  })
})

describe('a process whose time to drain is over', () => {
  const gateway = useGateway({ apis: 2, workers: 1, config: { server: { drain_ms: 300 } } })

  test('as an API: closes the stream, which goes on at another', async () => {
    const [stopping, staying] = gateway().apis
    const answer = await stream(stopping!.url)
    const rid = answer.headers.get('x-millrace-run')
    const reader = answer.body!.getReader()
    const code = stopping!.stop('SIGTERM')
    let seen = ''
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        seen += Buffer.from(part.value).toString()
      }
    } catch {
      // This is how a client learns of it.
    }
    expect(seen).not.toContain('[DONE]')
    expect(await code).toBe(0)
    const last = Number([...seen.matchAll(/^id: \S+:(\d+)$/gm)].at(-1)?.[1])
    const resume = (query: string) => callApi(`${staying!.url}${chats}/${rid}?stream=true${query}`)
    const rest = await resume(`&starting_after=${last}`)
    expect(rest.text).toMatch(/"finish_reason":"stop"[^]*data: \[DONE]\n\n$/)
    const [before, after] = cutAfter((await resume('')).text, last)
    expect(seen.startsWith(before)).toBe(true)
    expect(rest.text).toBe(after)
  })

  test('as a worker: ends the run with a typed error and keeps what was said', async () => {
    const [, staying] = gateway().apis
    const answer = await stream(staying!.url)
    const rid = answer.headers.get('x-millrace-run')
    expect(await gateway().workers[0]!.stop('SIGTERM')).toBe(0)
    const text = await answer.text()
    expect(text).toMatch(
      /"content":"Lorem"[^]*event: error\ndata: {[^\n]*"worker_lost"[^\n]*}\n\ndata: \[DONE]\n\n$/,
    )
    expect((await callApi(`${staying!.url}${chats}/${rid}?stream=true`)).text).toBe(text)
    expect(await callApi(`${staying!.url}${chats}/${rid}`)).toMatchObject({
      status: 502,
      json: { error: { code: 'worker_lost' } },
    })
  })
})
