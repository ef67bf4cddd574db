import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectRedis, keys, type Redis } from '#libs/redis'
import {
  createRedisRunStore,
  transitions,
  type RunEvent,
  type RunSpec,
  type RunState,
  type RunStore,
} from '#libs/runs'
import { createRedisStreamLog, type StreamLog } from '#libs/streams'
import { startTestRedis, type TestRedis } from '../support/redis.ts'
import { makeClaim, makeEnd, makeRunSpec } from '../support/runs.ts'

let server: TestRedis
let redis: Redis
let store: RunStore
let log: StreamLog

beforeAll(async () => {
  server = await startTestRedis()
  redis = await connectRedis(server.url, 'worker')
  store = createRedisRunStore(redis, { retainMs: 60_000 })
  log = createRedisStreamLog(redis)
})

afterAll(async () => {
  redis.disconnect()
  await server.close()
})

/** A run, and the epoch and place of its writer, who has appended as much as its state says. */
interface Subject {
  spec: RunSpec
  epoch: number
  seq: number
}

const entry = ({ epoch, seq }: Subject) => ({ epoch, seq, count: 1, meta: '', payload: `frame ${seq}` })
const lastEntry = ({ epoch, seq }: Subject) => ({ epoch, seq, count: 0, meta: '', payload: '' })

const acceptance = (spec: RunSpec) => ({ spec, body: '{}', homeChannel: '', bufferSize: 10_000 })

/** Brings a new run into the state by the way that runs come there. */
async function arrange(state: RunState): Promise<Subject> {
  const subject: Subject = { spec: makeRunSpec(), epoch: 0, seq: 0 }
  const { rid, provider } = subject.spec
  await store.accept(acceptance(subject.spec))
  if (state === 'accepted') return subject
  const claim = await store.claim(rid, provider, 'the holder')
  if (claim.status === 'run') subject.epoch = claim.epoch
  if (state === 'dispatched') return subject
  await log.append(rid, entry(subject), '')
  subject.seq = 1
  if (state === 'streaming') return subject
  await store.end({ ...subject, homeChannel: '', end: makeEnd(), entry: lastEntry(subject) })
  if (state === 'persisted') await store.settle([rid])
  return subject
}

/** As long ago that it proves the holder's death. */
async function silence(rid: string): Promise<void> {
  await redis.zadd(keys.running, 'XX', 1, rid)
  await redis.hset(keys.alive, 'since', 1)
  await redis.hdel(keys.run(rid), 'appendedAt')
}

/** Has the event happen, and gives what its script replied. */
const happen: Record<RunEvent, (subject: Subject) => Promise<string>> = {
  accept: async ({ spec }) => (await store.accept(acceptance(spec))).status,
  claim: async ({ spec }) => {
    await store.beat([spec.rid])
    return (await store.claim(spec.rid, spec.provider, randomUUID())).status
  },
  reclaim: async ({ spec }) => {
    await silence(spec.rid)
    return (await store.claim(spec.rid, spec.provider, randomUUID())).status
  },
  append: (subject) => log.append(subject.spec.rid, entry(subject), ''),
  end: (subject) => store.end({ ...subject, homeChannel: '', end: makeEnd(), entry: lastEntry(subject) }),
  cancel: ({ spec }) => store.cancel(spec, makeEnd(), []),
  requeue: ({ spec, epoch }) => {
    const progress = { attempts: [], left: [], limitedUntilMs: {}, startedAtMs: 1 }
    return store.requeue({ rid: spec.rid, epoch, spec, progress, delayMs: 0 })
  },
  retry: ({ spec, epoch }) => {
    return store.retry({ status: 'salvage', spec, epoch, homeChannel: '', state: 'dispatched' })
  },
  restore: ({ spec, epoch }) => store.restore(makeClaim(spec, epoch)),
  settle: async ({ spec }) => {
    await store.settle([spec.rid])
    return 'settled'
  },
  delete: ({ spec }) => store.delete(spec.rid, spec.tenant),
}

/** Among which of the sets a run of each state is. */
const places: Record<RunState | 'forgotten', string[]> = {
  accepted: ['waiting'],
  dispatched: ['running'],
  streaming: ['running'],
  ended: ['outbox'],
  persisted: [],
  forgotten: [],
}

async function placesOf({ rid, provider }: RunSpec): Promise<string[]> {
  const sets = { waiting: keys.waiting(provider), running: keys.running, outbox: keys.outbox }
  const found = await Promise.all(
    Object.entries(sets).map(async ([name, key]) => ((await redis.zscore(key, rid)) === null ? [] : [name])),
  )
  return found.flat()
}

const states = Object.keys(transitions) as RunState[]
const events = Object.keys(happen) as RunEvent[]
const cells = states.flatMap((state) => events.map((event) => ({ state, event })))

test.each(cells)('$event in $state does what the table says', async ({ state, event }) => {
  const subject = await arrange(state)
  const { reply, to } = transitions[state][event]

  expect(await happen[event](subject)).toBe(reply)

  expect((await store.inspect(subject.spec.rid))?.state ?? 'forgotten').toBe(to)
  expect(await placesOf(subject.spec)).toEqual(places[to])
})

test.each(states)(
  'in %s, whoever writes under another epoch is fenced and changes nothing',
  async (state) => {
    const subject = await arrange(state)
    const { rid } = subject.spec
    const before = await redis.hgetall(keys.run(rid))

    const others = state === 'accepted' ? [subject.epoch - 1] : [subject.epoch - 1, subject.epoch + 1]
    for (const epoch of others) {
      const stranger = { ...subject, epoch }
      expect(await happen.append(stranger)).toBe('fenced')
      expect(await happen.end(stranger)).toBe('fenced')
      expect(await happen.requeue(stranger)).toBe('fenced')
      expect(await happen.retry(stranger)).toBe('spent')
    }

    expect(await redis.hgetall(keys.run(rid))).toEqual(before)
  },
)

test('a run that is not there can only be accepted or restored', async () => {
  const subject = { spec: makeRunSpec(), epoch: 1, seq: 0 }

  const replies = []
  const events = ['claim', 'append', 'end', 'requeue', 'cancel', 'retry', 'delete', 'restore'] as const
  for (const event of events) replies.push(await happen[event](subject))

  const missing = ['missing', 'missing', 'missing']
  expect(replies).toEqual(['unknown', ...missing, 'unknown', 'spent', 'unknown', 'restored'])
  expect(await store.inspect(subject.spec.rid)).toMatchObject({ state: 'dispatched' })
})
