import { afterEach, expect, test } from 'vitest'
import { startSimulator, type TestSimulator } from '../support/simulator.ts'

let simulator: TestSimulator | undefined
afterEach(() => simulator?.close())

interface Message {
  role: string
  content: string
}

const long = (text: string): Message => ({ role: 'user', content: `${text} ${'a word '.repeat(100)}` })

/** The prompt's tokens, and how many of them came from the cache. */
async function ask(
  messages: Message[],
  { key = 'sk-main', model = 'lorem?tokens=1' } = {},
): Promise<[number, number]> {
  const response = await fetch(`${simulator?.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ model, messages }),
  })
  const { usage } = (await response.json()) as {
    usage: { prompt_tokens: number; prompt_tokens_details: { cached_tokens: number } }
  }
  return [usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens]
}

test('the beginning of a prompt is cached up to its last message, for its key and model', async () => {
  simulator = await startSimulator({ promptCache: { lifetimeMs: 60_000, minTokens: 150 } })
  const first = [long('One.')]
  const next = [...first, { role: 'assistant', content: 'Yes.' }, long('Two.')]

  const [tokens, before] = await ask(first)
  expect(before).toBe(0)
  expect((await ask(next))[1]).toBe(tokens)
  expect((await ask(next, { key: 'sk-other' }))[1]).toBe(0)
  expect((await ask(next, { model: 'lorem?tokens=2' }))[1]).toBe(0)
  expect((await ask([long('Three.'), ...next]))[1]).toBe(0)
  expect(simulator.journal().caches).toEqual({
    main: { calls: 4, hits: 1, inputTokens: expect.any(Number), cachedTokens: tokens },
    ther: { calls: 1, hits: 0, inputTokens: expect.any(Number), cachedTokens: 0 },
  })
})

test('what is short or old is not cached, and nothing is without a cache', async () => {
  simulator = await startSimulator({ promptCache: { lifetimeMs: 1, minTokens: 150 } })
  const short = [{ role: 'user', content: 'Hello' }]
  await ask(short)
  expect((await ask(short))[1]).toBe(0)
  await ask([long('One.')])
  const sentAtMs = Date.now()
  while (Date.now() <= sentAtMs + 2) await new Promise((resume) => setImmediate(resume))
  expect((await ask([long('One.')]))[1]).toBe(0)
  await simulator.close()

  simulator = await startSimulator()
  await ask([long('One.')])
  expect((await ask([long('One.')]))[1]).toBe(0)
  expect(simulator.journal().caches).toBeUndefined()
})
