import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JournalSnapshot } from '../../apps/simulator/journal.ts'
import { startSimulator } from '../support/simulator.ts'
import type { TestSimulator } from '../support/simulator.ts'

let simulator: TestSimulator
beforeEach(async () => {
  simulator = await startSimulator()
})
afterEach(() => simulator.close())

describe('the journal', () => {
  test('has every call with whose it was, what was sent and how it ended', async () => {
    await (
      await call('one', { headers: { 'x-millrace-run': 'chatcmpl-7', authorization: 'Bearer sk-12345' } })
    ).text()
    await simulator.idle()

    expect((await journal()).entries).toEqual([
      {
        sequence: 0,
        model: 'lorem?tokens=4',
        promptHash: expect.stringMatching(/^[0-9a-f]{32}$/),
        stream: true,
        headers: { 'x-millrace-run': 'chatcmpl-7' },
        keyEnding: '2345',
        startedAtMs: expect.any(Number),
        endedAtMs: expect.any(Number),
        status: 200,
        tokens: 4,
        closedBy: 'finished',
      },
    ])
  })

  test('proves that each prompt was called once, or tells which was not', async () => {
    for (const prompt of ['one', 'two', 'two', 'three']) await (await call(prompt)).text()

    const { prompts, entries } = await journal()

    expect(prompts).toEqual({ distinct: 3, repeated: { [entries[1]!.promptHash]: 2 } })
  })

  test('sums up calls, tokens and how many were in flight at most, in all and by model', async () => {
    const stalled = new AbortController()
    const held = [
      await call('one', { model: 'lorem?fail=stall&at=1', signal: stalled.signal }),
      await call('two', { model: 'lorem?fail=stall&at=1', signal: stalled.signal }),
    ]
    await (await call('three')).text()
    expect((await journal()).totals.inFlight).toBe(2)
    stalled.abort()
    await Promise.allSettled(held.map((response) => response.text()))
    await simulator.idle()

    expect((await journal()).totals).toEqual({
      calls: 3,
      inFlight: 0,
      maxInFlight: 3,
      tokens: 6,
      closedBy: { finished: 1, client: 2, fault: 0, refused: 0 },
      models: {
        'lorem?fail=stall&at=1': { calls: 2, inFlight: 0, maxInFlight: 2 },
        'lorem?tokens=4': { calls: 1, inFlight: 0, maxInFlight: 1 },
      },
    })
  })

  test('gives the last calls, as many as are asked for', async () => {
    for (const prompt of ['one', 'two', 'three']) await (await call(prompt)).text()

    expect((await journal('?limit=2')).entries.map(({ sequence }) => sequence)).toEqual([1, 2])
    expect((await journal('?limit=0')).entries).toEqual([])
  })

  test('forgets what has ended when it is reset, and still counts what is in flight', async () => {
    const stalled = new AbortController()
    await (await call('one')).text()
    const held = await call('two', { model: 'lorem?fail=stall&at=1', signal: stalled.signal })

    await fetch(`${simulator.url}/journal`, { method: 'DELETE' })
    const during = await journal()
    stalled.abort()
    await Promise.allSettled([held.text()])
    await simulator.idle()
    const after = await journal()

    expect(during).toMatchObject({
      totals: { calls: 0, inFlight: 1, maxInFlight: 1, tokens: 0 },
      entries: [],
    })
    expect(after).toMatchObject({
      totals: { inFlight: 0, closedBy: { client: 0, finished: 0 } },
      entries: [],
    })
  })

  test('records a client that leaves a stream between two tokens', async () => {
    const leaving = new AbortController()
    const response = await call('one', { model: 'lorem?tokens=100000&gap_ms=5', signal: leaving.signal })

    const reader = response.body!.getReader()
    await reader.read()
    leaving.abort()
    await simulator.idle()

    const [entry] = (await journal()).entries
    expect(entry).toMatchObject({ closedBy: 'client', status: 200 })
    expect(entry!.tokens).toBeGreaterThan(0)
    expect(entry!.tokens).toBeLessThan(100_000)
  })
})

function call(
  prompt: string,
  { model = 'lorem?tokens=4', ...init }: RequestInit & { model?: string } = {},
): Promise<Response> {
  const body = JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: prompt }] })
  return fetch(`${simulator.url}/v1/chat/completions`, { method: 'POST', body, ...init })
}

async function journal(query = ''): Promise<JournalSnapshot> {
  const response = await fetch(`${simulator.url}/journal${query}`)
  return (await response.json()) as JournalSnapshot
}
