import { expect, test } from 'vitest'
import { replayConversations, type Replayed } from '../support/conversations.ts'
import { useGateway } from '../support/gateway.ts'
import { callApi, expectError, type ApiAnswer } from '../support/http.ts'

const model = 'lorem?tokens=16'
const slow = 'lorem?tokens=8&gap_ms=40'
const prices = { input_per_million: 1, output_per_million: 1, cache_read_per_million: 0.1 }

/** Four keys of their own for each way to choose; the simulator tells them apart by the ends of their values. */
function keysOf(provider: string, count: number): object {
  return {
    keys: Array.from({ length: count }, (_, index) => ({
      name: `key-${index}`,
      value: `sk-${provider}-${index}`,
    })),
  }
}

const gateway = useGateway({
  apis: 2,
  workers: 2,
  simulator: { promptCache: { lifetimeMs: 300_000 } },
  config: {
    providers: {
      one: keysOf('one', 1),
      aware: keysOf('awr', 4),
      random: keysOf('rnd', 4),
      // One call at once for each key, so that a key may be busy.
      busy: {
        keys: [0, 1].map((index) => ({
          name: `key-${index}`,
          value: `sk-bsy-${index}`,
          limits: { parallel: 1 },
        })),
      },
    },
    models: [
      { name: 'one', targets: [{ provider: 'one', model }] },
      {
        name: 'aware',
        routing: 'cache-aware',
        targets: [{ provider: 'aware', model, prices }],
      },
      { name: 'random', targets: [{ provider: 'random', model }] },
      {
        name: 'worth-waiting',
        routing: 'cache-aware',
        cache_affinity: { strong_tokens: 1000, wait_ms: 5000 },
        targets: [{ provider: 'busy', model: slow }],
      },
      {
        name: 'not-worth-it',
        routing: 'cache-aware',
        cache_affinity: { strong_tokens: 1_000_000 },
        targets: [{ provider: 'busy', model: slow }],
      },
    ],
  },
})

function replay(name: string): Promise<Replayed> {
  const shape = { conversations: 12, turns: 5, systemPrompts: 2, atOnce: 4 }
  return replayConversations({ ...shape, model: name, baseUrl: `${gateway().url}/v1` })
}

interface Message {
  role: 'system' | 'user' | 'assistant'
  content: string
}

const longText = 'This is said to every one of them. '.repeat(200)

function ask(
  messages: Message[],
  { name = 'aware', headers = {} }: { name?: string; headers?: object } = {},
) {
  const body = { model: name, messages }
  return callApi(`${gateway().url}/v1/chat/completions`, { body, headers: { ...headers } })
}

/** The parts of the header, by name. */
function routingOf({ headers }: { headers: Headers }): Record<string, string> {
  const [strategy = '', ...parts] = (headers.get('x-millrace-routing') ?? '').split('; ')
  return { strategy, ...Object.fromEntries(parts.map((part) => part.split('=') as [string, string])) }
}

function cachedTokens(answer: ApiAnswer): number {
  return answer.json.usage.prompt_tokens_details.cached_tokens as number
}

test('conversations over four keys find nearly all that one key alone would have kept, and by chance far less', async () => {
  const one = await replay('one')
  const aware = await replay('aware')
  const random = await replay('random')

  expect(aware.hits).toBeGreaterThanOrEqual(0.9 * one.hits)
  expect(aware.cachedTokens).toBeGreaterThanOrEqual(0.9 * one.cachedTokens)
  expect(random.cachedTokens).toBeLessThan(0.75 * one.cachedTokens)
  // Those that are new go to the keys with less to do.
  const used = Object.keys(gateway().simulator.journal().caches ?? {}).filter((key) => key.startsWith('wr-'))
  expect(used.length).toBeGreaterThan(1)
})

test('a conversation that goes on is sent to its key, and header, job and metrics tell why', async () => {
  const first: Message[] = [{ role: 'user', content: `First. ${longText}` }]
  const begun = await ask(first)
  expect(routingOf(begun)).toEqual({ strategy: 'cache-aware', reason: 'balance' })

  const answer = { role: 'assistant', content: String(begun.json.choices[0].message.content) } as const
  const next = await ask([...first, answer, { role: 'user', content: 'And then?' }])
  const routing = routingOf(next)
  expect(routing).toMatchObject({ reason: 'prefix', preference: 'strong' })
  expect(Number(routing.tokens)).toBe(cachedTokens(next))
  expect(Number(routing.saving)).toBeCloseTo((cachedTokens(next) * 0.9) / 1e6, 6)

  const jobs = await Promise.all(
    [begun, next].map(({ json }) => callApi(`${gateway().url}/v1/jobs/${json.id}`)),
  )
  const [before, after] = jobs.map(({ json }) => json)
  expect(after?.attempts[0].key).toBe(before?.attempts[0].key)
  expect(after?.routing).toMatchObject({
    key: routing.key,
    reason: 'prefix',
    cached_tokens: cachedTokens(next),
  })
})

/** The keys that answered. */
async function keysOfRuns(answers: readonly ApiAnswer[]): Promise<string[]> {
  const jobs = await Promise.all(answers.map(({ json }) => callApi(`${gateway().url}/v1/jobs/${json.id}`)))
  return jobs.map(({ json }) => String(json.attempts[0].key))
}

test('a busy key is waited for when its cache is worth it, and else passed over', async () => {
  async function askTwiceMore(name: string): Promise<string[]> {
    const first: Message[] = [{ role: 'user', content: `${name}. ${longText}` }]
    const begun = await ask(first, { name })
    const branches = ['One way.', 'The other.'].map((content) => [
      ...first,
      { role: 'user', content } as const,
    ])
    const next = await Promise.all(branches.map((messages) => ask(messages, { name })))
    return keysOfRuns([begun, ...next])
  }

  expect(new Set(await askTwiceMore('worth-waiting')).size).toBe(1)
  expect(new Set(await askTwiceMore('not-worth-it')).size).toBe(2)
})

test('what has the same session goes to the same key, whatever is said', async () => {
  const answers: ApiAnswer[] = []
  for (const content of ['One.', 'Two.', 'Three.', 'Four.', 'Five.', 'Six.']) {
    answers.push(await ask([{ role: 'user', content }], { headers: { 'x-session-id': 'chat-1' } }))
  }
  expect(new Set(await keysOfRuns(answers)).size).toBe(1)
  expect(routingOf(answers[5]!)).toMatchObject({ reason: 'session', preference: 'mild' })

  const refused = await ask([{ role: 'user', content: 'Seven.' }], {
    headers: { 'x-session-id': 'x'.repeat(257) },
  })
  expectError(
    { ...refused, contentType: refused.headers.get('content-type'), body: refused.text },
    {
      status: 400,
      code: 'invalid_request',
      param: 'x-session-id',
    },
  )
})

test('a response continues where the gateway holds the conversation, and dialects share what they have said', async () => {
  const create = (body: object) => {
    return callApi(`${gateway().url}/v1/responses`, { body: { model: 'aware', store: true, ...body } })
  }
  const begun = await create({ input: `Once. ${longText}` })
  const next = await create({ input: 'And then?', previous_response_id: begun.json.id })
  expect(routingOf(next)).toMatchObject({ reason: 'prefix' })

  const chat = await ask([{ role: 'user', content: `Once. ${longText}` }])
  expect(routingOf(chat)).toMatchObject({ reason: 'prefix', key: routingOf(next).key })
})
