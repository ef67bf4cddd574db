import { expect, test } from 'vitest'
import type { Delivery, EventType, WebhookEvent, Webhooks } from '#libs/webhooks'
import { eventually } from '../support/gateway.ts'
import { isSigned } from '../support/webhooks.ts'
import { useWebhooks } from './support.ts'

const lab = useWebhooks()
let count = 0

function makeEvent(tenant: string, type: EventType = 'job.completed'): WebhookEvent {
  return { tenant, type, data: { id: `resp_${++count}` }, atMs: Date.now() }
}

async function subscribe({ endpoints }: Webhooks, url: string, eventTypes: EventType[] = ['job.completed']) {
  const tenant = `tenant-${++count}`
  const { endpoint, secret } = await endpoints.create(tenant, { name: 'mine', url, eventTypes })
  return { tenant, id: endpoint.id, secret }
}

async function only({ deliveries }: Webhooks, endpointId: string): Promise<Delivery> {
  const [delivery] = (await deliveries.list(endpointId, { limit: 10 })).deliveries
  if (delivery === undefined) throw new Error('There is no delivery.')
  return delivery
}

function settled(webhooks: Webhooks, endpointId: string): Promise<void> {
  return eventually('the delivery is done with', async () => {
    return (await only(webhooks, endpointId)).status !== 'pending'
  })
}

test('an event goes to every endpoint that wants it, signed, and to no other', async () => {
  const there = await lab().receiver()
  const webhooks = lab().open()
  const { tenant, secret } = await subscribe(webhooks, there.url)
  const elsewhere = { name: 'other', url: there.url, eventTypes: ['job.failed'] }
  await webhooks.endpoints.create(tenant, elsewhere)
  const foreign = await subscribe(webhooks, there.url)
  await webhooks.publish([makeEvent(tenant), makeEvent(foreign.tenant), makeEvent(tenant, 'job.cancelled')])
  await there.gets(2)
  const signedBy = (key: string) => there.received.filter((event) => isSigned(event, key)).length
  expect([there.received.length, signedBy(secret), signedBy(foreign.secret)]).toEqual([2, 1, 1])
  await eventually('all is noted', async () => (await webhooks.deliveries.backlog()).count === 0)
})

test('an event that is published again is the same one, also when it was delivered long ago', async () => {
  const there = await lab().receiver()
  const webhooks = lab().open()
  const { tenant, id } = await subscribe(webhooks, there.url)
  const event = makeEvent(tenant)
  await Promise.all([webhooks.publish([event]), webhooks.publish([event])])
  await settled(webhooks, id)
  await webhooks.publish([{ ...event, atMs: event.atMs + 5_000 }])
  expect(await only(webhooks, id)).toMatchObject({ status: 'succeeded', attempts: 1 })
  expect(there.received).toHaveLength(1)
})

test('what fails comes again by the schedule, under one id and with a signature of its own time', async () => {
  const there = await lab().receiver()
  const outcomes: string[] = []
  const webhooks = lab().open({ scheduleMs: [200, 1_500], onAttempt: (outcome) => outcomes.push(outcome) })
  const { tenant, id, secret } = await subscribe(webhooks, there.url)
  there.react = (_event, index) => ({ status: index < 2 ? 500 : 204 })
  await webhooks.publish([makeEvent(tenant)])
  await settled(webhooks, id)
  expect(await only(webhooks, id)).toMatchObject({
    status: 'succeeded',
    attempts: 3,
    nextAttemptAtMs: null,
    lastAttempt: { statusCode: 204, problem: null },
  })
  const [first, second, third] = there.received
  if (first === undefined || second === undefined || third === undefined) throw new Error('Too few came.')
  expect(new Set(there.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([first.id]))
  expect(there.received.every((event) => isSigned(event, secret) && event.body === first.body)).toBe(true)
  expect(third.headers['webhook-timestamp']).not.toBe(first.headers['webhook-timestamp'])
  expect(second.atMs - first.atMs).toBeGreaterThanOrEqual(150)
  expect(third.atMs - second.atMs).toBeGreaterThanOrEqual(1_300)
  expect(outcomes).toEqual(['retried', 'retried', 'delivered'])
})

test('a receiver that says when to come again is not asked before', async () => {
  const there = await lab().receiver()
  const webhooks = lab().open({ scheduleMs: [10] })
  const { tenant, id } = await subscribe(webhooks, there.url)
  there.react = (_event, index) =>
    index === 0 ? { status: 429, headers: { 'retry-after': '1' } } : { status: 200 }
  await webhooks.publish([makeEvent(tenant)])
  await settled(webhooks, id)
  const [first, second] = there.received.map(({ atMs }) => atMs)
  expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(950)
})

test('a redirect is a failure, and so are silence and a closed door', async () => {
  const [redirecting, silent, closed] = [
    await lab().receiver(),
    await lab().receiver(),
    await lab().receiver(),
  ]
  const webhooks = lab().open({ scheduleMs: [], timeoutMs: 200 })
  redirecting.react = () => ({ status: 308, headers: { location: silent.url } })
  silent.react = () => 'silence'
  await closed.close()
  const subscribed = await Promise.all(
    [redirecting, silent, closed].map(({ url }) => subscribe(webhooks, url)),
  )
  await webhooks.publish(subscribed.map(({ tenant }) => makeEvent(tenant)))
  const problems: (string | null | undefined)[] = []
  for (const { id } of subscribed) {
    await settled(webhooks, id)
    problems.push((await only(webhooks, id)).lastAttempt?.problem)
  }
  expect(problems).toEqual([
    'It answered 308, which is not 2xx.',
    'There was no answer within 200 ms.',
    'Nobody listens there.',
  ])
  expect(silent.received).toHaveLength(1)
})

test('an endpoint whose address must not be called is not, whoever let it in', async () => {
  const canary = await lab().receiver()
  const webhooks = lab().open({ allowPrivate: false, scheduleMs: [] })
  const { tenant, id } = await subscribe(webhooks, canary.url)
  await webhooks.publish([makeEvent(tenant)])
  await settled(webhooks, id)
  expect(await only(webhooks, id)).toMatchObject({
    status: 'failed',
    lastAttempt: { statusCode: null, problem: 'The URL names an address that is not a public one.' },
  })
  expect(canary.received).toEqual([])
})

test('a secret that does not open is a failed attempt, and told to the operator', async () => {
  const there = await lab().receiver()
  const sealing = lab().open({ works: false, encryptionKey: 'ab'.repeat(32) })
  const { tenant, id } = await subscribe(sealing, there.url)
  const errors: unknown[] = []
  const webhooks = lab().open({ scheduleMs: [], onError: (error) => errors.push(error) })
  await webhooks.publish([makeEvent(tenant)])
  await settled(webhooks, id)
  expect((await only(webhooks, id)).lastAttempt?.problem).toContain('rotate it')
  expect([errors.length, there.received.length]).toEqual([1, 0])
})

test('one that has used its last attempt has failed, and can be begun again by hand', async () => {
  const there = await lab().receiver()
  const webhooks = lab().open({ scheduleMs: [20] })
  const { tenant, id } = await subscribe(webhooks, there.url)
  there.react = (_event, index) => ({ status: index < 2 ? 500 : 200 })
  await webhooks.publish([makeEvent(tenant)])
  await settled(webhooks, id)
  const failed = await only(webhooks, id)
  expect(failed).toMatchObject({ status: 'failed', attempts: 2, nextAttemptAtMs: null })
  await webhooks.redeliver(failed)
  await settled(webhooks, id)
  expect(await only(webhooks, id)).toMatchObject({ id: failed.id, status: 'succeeded', attempts: 1 })
  expect(there.received.map((event) => event.id)).toEqual([failed.eventId, failed.eventId, failed.eventId])
})

test('one that waits for its next attempt is hurried by hand', async () => {
  const there = await lab().receiver()
  const webhooks = lab().open({ scheduleMs: [3_600_000] })
  const { tenant, id } = await subscribe(webhooks, there.url)
  there.react = (_event, index) => ({ status: index === 0 ? 500 : 200 })
  await webhooks.publish([makeEvent(tenant)])
  await eventually('the first attempt has failed', async () => (await only(webhooks, id)).attempts === 1)
  await eventually('it waits', async () => (await lab().redis.zcard('mr:task:webhooks:delayed')) === 1)
  await webhooks.redeliver(await only(webhooks, id))
  await settled(webhooks, id)
  expect(await only(webhooks, id)).toMatchObject({ status: 'succeeded' })
})

test('a receiver that takes long holds up its own events and nobody else’s', async () => {
  const [slow, quick] = [await lab().receiver(), await lab().receiver()]
  const webhooks = lab().open({ parallel: 2, timeoutMs: 5_000 })
  let open = 0
  let mostOpen = 0
  slow.react = () => {
    mostOpen = Math.max(mostOpen, ++open)
    setTimeout(() => (open -= 1), 500)
    return { status: 200, afterMs: 500 }
  }
  const [late, soon] = [await subscribe(webhooks, slow.url), await subscribe(webhooks, quick.url)]
  await webhooks.publish(Array.from({ length: 10 }, () => makeEvent(late.tenant)))
  await webhooks.publish(Array.from({ length: 10 }, () => makeEvent(soon.tenant)))
  await quick.gets(10)
  expect(slow.received.length).toBeLessThan(10)
  await slow.gets(10)
  expect(mostOpen).toBe(2)
})

test('410 disables the endpoint: what waits is given up, and the other endpoints are told', async () => {
  const [gone, watching] = [await lab().receiver(), await lab().receiver()]
  const webhooks = lab().open()
  const { tenant, id } = await subscribe(webhooks, gone.url, ['job.completed', 'webhook_endpoint.disabled'])
  const watcher = { name: 'watch', url: watching.url, eventTypes: ['webhook_endpoint.disabled'] }
  await webhooks.endpoints.create(tenant, watcher)
  gone.react = () => ({ status: 410 })
  await webhooks.publish([makeEvent(tenant)])
  await watching.gets(1)
  expect(JSON.parse(watching.received[0]?.body ?? '')).toMatchObject({
    type: 'webhook_endpoint.disabled',
    data: { id },
  })
  await settled(webhooks, id)
  expect(await webhooks.endpoints.find(tenant, id)).toMatchObject({ disabled: { reason: 'gone' } })
  await webhooks.publish([makeEvent(tenant)])
  expect((await webhooks.deliveries.list(id, { limit: 10 })).deliveries).toHaveLength(1)
  expect(gone.received).toHaveLength(1)
})

test('an endpoint that takes nothing for too long is disabled with the last attempt of a delivery', async () => {
  const there = await lab().receiver()
  const webhooks = lab().open({ scheduleMs: [50], disableAfterMs: 20 })
  const { tenant, id } = await subscribe(webhooks, there.url)
  there.react = () => ({ status: 500 })
  await webhooks.publish([makeEvent(tenant)])
  await settled(webhooks, id)
  expect(there.received).toHaveLength(2)
  expect(await webhooks.endpoints.find(tenant, id)).toMatchObject({ disabled: { reason: 'failing' } })
})

test('an endpoint keeps its newest deliveries; older ones give way, and that is told', async () => {
  const there = await lab().receiver()
  let dropped = 0
  const webhooks = lab().open({ works: false, keptDeliveries: 3, onDropped: (more) => (dropped += more) })
  const { tenant, id } = await subscribe(webhooks, there.url)
  for (let index = 0; index < 5; index++) await webhooks.publish([makeEvent(tenant)])
  const listed = await webhooks.deliveries.list(id, { limit: 2 })
  expect([listed.deliveries.length, listed.hasMore, dropped]).toEqual([2, true, 2])
  expect(await webhooks.deliveries.backlog()).toMatchObject({ count: 3 })
  const after = listed.deliveries.at(-1)?.id
  expect(await webhooks.deliveries.list(id, { after, limit: 2 })).toMatchObject({ hasMore: false })
})

test('a delivery whose task was lost gets another one', async () => {
  const there = await lab().receiver()
  const idle = lab().open({ works: false })
  const { tenant, id } = await subscribe(idle, there.url)
  await idle.publish([makeEvent(tenant)])
  const { redis } = lab()
  // As if the process had died before it added the task, a minute ago.
  await redis.del(await redis.keys('mr:task:webhooks:*'))
  await redis.zadd('mr:webhook:pending', Date.now() - 60_000, (await only(idle, id)).id)
  expect((await idle.deliveries.backlog()).latenessMs).toBeGreaterThan(50_000)
  const webhooks = lab().open()
  await webhooks.recover()
  await settled(webhooks, id)
  expect(there.received).toHaveLength(1)
})
