import { setTimeout as sleep } from 'node:timers/promises'
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { useGateway } from '../support/gateway.ts'
import { startReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts'
import { isSigned, toWebhookSection } from '../support/webhooks.ts'

const names = ['well', 'slow', 'failing', 'down', 'silent', 'held'] as const
const receivers = new Map<(typeof names)[number], WebhookReceiver>()
beforeAll(async () => {
  for (const name of names) receivers.set(name, await startReceiver())
})
afterAll(async () => {
  for (const receiver of receivers.values()) await receiver.close()
})

const gateway = useGateway(() => ({
  config: {
    webhooks: toWebhookSection([...receivers.values()], {
      timeout_ms: 5_000,
      schedule_ms: [200, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000, 8_000],
    }),
  },
}))

function at(name: (typeof names)[number]): WebhookReceiver {
  const receiver = receivers.get(name)
  if (receiver === undefined) throw new Error(`There is no receiver ${name}.`)
  return receiver
}

function client(): OpenAI {
  return new OpenAI({ apiKey: 'none', baseURL: `${gateway().url}/v1`, maxRetries: 0 })
}

async function create(name: (typeof names)[number]): Promise<string> {
  const types = ['response.completed', 'response.failed', 'response.incomplete'] as const
  const settings = { name, url: at(name).url, event_types: [...types] }
  return (await client().webhooks.create(settings)).signing_secret
}

function endsTold({ received }: WebhookReceiver, secret: string): Set<string> {
  const signed = received.filter((event) => isSigned(event, secret))
  return new Set(signed.map(({ body }) => (JSON.parse(body) as { data: { id: string } }).data.id))
}

test('a delivery whose worker is killed while the receiver holds it is made again', async () => {
  const secret = await create('held')
  const held = at('held')
  held.react = (_event, index) => (index === 0 ? 'silence' : { status: 200 })
  const { id } = await client().responses.create({
    model: 'upstream/lorem?tokens=3',
    input: 'Hello',
    background: true,
  })
  await held.gets(1)
  await gateway().workers[0]?.stop('SIGKILL')
  await gateway().workers[0]?.restart()
  await held.gets(2, 60_000)
  expect(endsTold(held, secret)).toEqual(new Set([id]))
  expect(new Set(held.received.map((event) => event.id)).size).toBe(1)
}, 90_000)

test('receivers that are slow, down or failing get each event, though the worker is killed again and again', async () => {
  const secrets = new Map<(typeof names)[number], string>()
  const others = names.filter((name) => name !== 'held')
  for (const name of others) secrets.set(name, await create(name))
  const seen = new Map<string, number>()
  const countOf = (id: string): number => {
    seen.set(id, (seen.get(id) ?? 0) + 1)
    return seen.get(id) ?? 0
  }
  at('slow').react = () => ({ status: 200, afterMs: 500 })
  at('failing').react = ({ id }) => ({ status: countOf(id) <= 2 ? 500 : 200 })
  at('silent').react = ({ id }, index) => (index < 3 ? 'silence' : { status: id === '' ? 500 : 200 })
  const { port } = at('down')
  await at('down').close()

  const [worker] = gateway().workers
  if (worker === undefined) throw new Error('There is no worker.')
  const ids: string[] = []
  for (let round = 0; round < 3; round++) {
    for (let count = 0; count < 8; count++) {
      const model = `upstream/lorem?tokens=${3 + count * 3}&gap_ms=20`
      ids.push((await client().responses.create({ model, input: 'Hello', background: true })).id)
    }
    // Once before the archive is written, once in the middle of deliveries, once somewhere else.
    await sleep(150 + 250 * round)
    await worker.stop('SIGKILL')
    await worker.restart()
  }
  receivers.set('down', await startReceiver('127.0.0.1', port))

  const giveUpAtMs = Date.now() + 90_000
  const missing = (): string[] =>
    others.flatMap((name) => {
      const told = endsTold(at(name), secrets.get(name) ?? '')
      return ids.filter((id) => !told.has(id)).map((id) => `${name} ${id}`)
    })
  while (missing().length > 0 && Date.now() < giveUpAtMs) await sleep(100)
  expect(missing()).toEqual([])
}, 150_000)
