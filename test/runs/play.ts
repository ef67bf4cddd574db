import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { expect } from 'vitest'
import { keys, type Redis } from '#libs/redis'
import type { ClaimResult, RunSpec, RunStore } from '#libs/runs'
import type { LogEntry, StreamLog } from '#libs/streams'
import { makeClaim, makeEnd, makeRunSpec } from '../support/runs.ts'
import { expectOf, isClaimed, isOver, unborn, type RunModel } from './run-model.ts'

/** The real thing, and a look into it. */
export interface Kernel {
  redis: Redis
  store: RunStore
  log: StreamLog
}

/** What somebody does; `worker` and `frames` matter to some. */
interface Step {
  act: keyof typeof acts
  worker: number
  frames: number
  /** As a client library sends again what it had no answer to. */
  isSentTwice: boolean
  /** The answer is lost on its way; of an append, all of it. */
  isUnheard: boolean
  /** Whose runs the worker takes, or where it sends this one. */
  provider: 'p' | 'q'
}

interface Worker {
  /** Of a claim that was sent and not answered. */
  token: string | undefined
  claim: { status: 'run' | 'salvage'; epoch: number; spec: RunSpec } | undefined
  /** All that it has said of its run, also what it could not append. */
  entries: LogEntry[]
}

interface Scene {
  kernel: Kernel
  spec: RunSpec
  model: RunModel
  workers: Worker[]
  /** Epochs of those that were told to call the provider. */
  calls: number[]
  retries: number
  /** The end record that was written, as long as Redis has it. */
  end: string | undefined
}

type Act = (scene: Scene, worker: Worker, step: Step) => Promise<void>

async function twice<Reply>({ isSentTwice }: Step, act: () => Promise<Reply>): Promise<Reply[]> {
  return isSentTwice ? Promise.all([act(), act()]) : [await act()]
}

const nextSeq = ({ entries }: Worker): number => (entries.at(-1)?.seq ?? -1) + 1

async function claim(scene: Scene, worker: Worker, step: Step): Promise<void> {
  const { kernel, model, spec } = scene
  const token = (worker.token ??= randomUUID())
  const { provider } = step
  const replies = await twice(step, () => kernel.store.claim(spec.rid, provider, token))
  for (const reply of replies) {
    const { status, isRepeated } = expectOf.claim(model, { token, provider })
    expect(reply.status).toBe(status)
    if (reply.status !== 'run' && reply.status !== 'salvage') continue
    if (isRepeated) expect(reply.epoch).toBe(model.epoch)
    else expect(reply.epoch).toBeGreaterThan(model.epoch)
    model.epoch = reply.epoch
  }
  if (!step.isUnheard) await hearClaim(scene, worker, replies[0])
}

async function hearClaim(scene: Scene, worker: Worker, reply: ClaimResult | undefined): Promise<void> {
  worker.token = undefined
  if (reply?.status !== 'run' && reply?.status !== 'salvage') return
  const { status, epoch, spec } = reply
  expect(spec.provider).toBe(scene.model.provider)
  worker.claim = { status, epoch, spec }
  worker.entries = []
  if (status === 'run') {
    scene.calls.push(epoch)
  } else {
    const entry = { epoch, seq: scene.model.last, count: 0, meta: '', payload: '' }
    if (scene.model.last >= 0) worker.entries.push(entry)
  }
}

async function send(scene: Scene, entry: LogEntry): Promise<string> {
  const reply = await scene.kernel.log.append(scene.spec.rid, entry, '')
  expect(reply).toBe(expectOf.append(scene.model, entry))
  return reply
}

async function end(scene: Scene, worker: Worker, step: Step): Promise<void> {
  if (worker.claim === undefined) return
  const { kernel, model, spec } = scene
  const { epoch } = worker.claim
  const seq = nextSeq(worker)
  const record = { ...makeEnd(), endedAtMs: epoch + step.frames }
  const ending = { spec, epoch, homeChannel: '', end: record }
  const entry = { epoch, seq, count: 0, meta: '', payload: '' }
  for (const reply of await twice(step, () => kernel.store.end({ ...ending, entry }))) {
    const wasOver = isOver(model.state)
    expect(reply).toBe(expectOf.end(model, entry))
    if (!wasOver && isOver(model.state)) scene.end = JSON.stringify(record)
  }
}

/** Everything that may happen, in any order. */
const acts = {
  claim,
  end,

  async accept({ kernel, model, spec }, _worker, step) {
    if (model.state === 'missing') return
    const acceptance = { spec, body: '{}', homeChannel: '', bufferSize: 1_000_000 }
    for (const reply of await twice(step, () => kernel.store.accept(acceptance)))
      expect(reply.status).toBe(expectOf.accept(model))
  },

  async append(scene, worker, { frames, isSentTwice, isUnheard }) {
    if (worker.claim?.status !== 'run') return
    const { epoch } = worker.claim
    const seq = nextSeq(worker) + frames - 1
    const payload = Array.from({ length: frames }, () => String(epoch)).join('\n')
    const entry = { epoch, seq, count: frames, meta: '', payload }
    worker.entries.push(entry)
    if (isUnheard) return
    await send(scene, entry)
    if (isSentTwice) await send(scene, entry)
  },

  /** Something old comes late: a packet that was stuck, or what a client library sends again. */
  async appendAgain(scene, worker, { frames }) {
    const entry = worker.entries[frames - 1]
    if (entry !== undefined && entry.count > 0) await send(scene, entry)
  },

  async repair(scene, worker) {
    for (const entry of worker.entries) {
      if (entry.count === 0) continue
      const reply = await send(scene, entry)
      if (reply !== 'appended' && reply !== 'cancel') return
    }
  },

  async requeue({ kernel, model, spec, ...scene }, worker, step) {
    if (worker.claim?.status !== 'run' || worker.entries.length > 0) return
    const { epoch } = worker.claim
    const { provider } = step
    const moved = { ...spec, provider }
    const progress = { attempts: [], left: ['p/m'], limitedUntilMs: {}, startedAtMs: 1 }
    const requeueing = { rid: spec.rid, epoch, spec: moved, progress, delayMs: 0 }
    for (const reply of await twice(step, () => kernel.store.requeue(requeueing))) {
      const { state } = model
      expect(reply).toBe(expectOf.requeue(model, { epoch, provider }))
      if (state !== model.state) scene.calls.pop()
    }
    if (!step.isUnheard) worker.claim = undefined
  },

  async retry(scene, worker, step) {
    if (worker.claim?.status !== 'salvage') return
    const { kernel, model } = scene
    const { epoch, spec } = worker.claim
    const lost = { status: 'salvage', spec, epoch, homeChannel: '', state: 'dispatched' } as const
    for (const reply of await twice(step, () => kernel.store.retry(lost))) {
      const { state } = model
      // The script looks whether there are frames.
      const expected = model.last >= 0 ? 'spent' : expectOf.retry(model, epoch)
      expect(reply).toBe(expected)
      if (state !== model.state) scene.retries += 1
    }
  },

  async restore({ kernel, model, end: ended }, worker) {
    if (worker.claim?.status !== 'run' || ended !== undefined) return
    const { epoch, spec } = worker.claim
    const { provider } = spec
    const expected = expectOf.restore(model, { epoch, provider })
    expect(await kernel.store.restore(makeClaim(spec, epoch))).toBe(expected)
  },

  async cancel(scene, _worker, step) {
    const { kernel, model, spec } = scene
    const record = { ...makeEnd(), outcome: 'cancelled', frames: step.frames } as const
    for (const reply of await twice(step, () => kernel.store.cancel(spec, record, []))) {
      expect(reply).toBe(expectOf.cancel(model))
      if (reply === 'cancelled') scene.end = JSON.stringify(record)
    }
  },

  async delete({ kernel, model, spec }) {
    expect(await kernel.store.delete(spec.rid, spec.tenant)).toBe(expectOf.delete(model))
  },

  async settle({ kernel, model, spec }, _worker, step) {
    for (const deleted of await twice(step, () => kernel.store.settle([spec.rid])))
      expect(deleted.length > 0 ? 'deleted' : 'settled').toBe(expectOf.settle(model))
  },

  async crash(_scene, worker) {
    Object.assign(worker, { token: undefined, claim: undefined, entries: [] })
  },

  /** Nobody hears of the run's holder for a minute. */
  async silence({ kernel, model, spec }) {
    if (!isClaimed(model.state)) return
    await kernel.redis.zadd(keys.running, 'XX', 1, spec.rid)
    await kernel.redis.hdel(keys.run(spec.rid), 'appendedAt')
    model.isSilent = true
  },

  /** Redis loses a run that has not ended. */
  async lose({ kernel, model, spec }) {
    if (!isClaimed(model.state)) return
    await kernel.redis.del(keys.run(spec.rid), keys.log(spec.rid))
    await kernel.redis.zrem(keys.running, spec.rid)
    Object.assign(model, unborn)
    // Who claims it after its return does so later than anybody before.
    await sleep(2)
  },
} satisfies Record<string, Act>

const weights: Record<keyof typeof acts, number> = {
  claim: 10,
  append: 10,
  end: 4,
  silence: 4,
  repair: 3,
  appendAgain: 2,
  requeue: 3,
  retry: 3,
  restore: 2,
  crash: 2,
  cancel: 1,
  settle: 2,
  delete: 1,
  accept: 1,
  lose: 1,
}

/** What three workers, a client and an accident may do to one run. */
export const anyCourse: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    act: fc.oneof(
      ...Object.entries(weights).map(([act, weight]) => {
        return { weight, arbitrary: fc.constant(act as keyof typeof acts) }
      }),
    ),
    worker: fc.nat({ max: 2 }),
    frames: fc.integer({ min: 1, max: 3 }),
    isSentTwice: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)),
    isUnheard: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
    provider: fc.oneof({ weight: 3, arbitrary: fc.constant('p' as const) }, fc.constant('q' as const)),
  }),
  { minLength: 3, maxLength: 30, size: 'max' },
)

/** Does to a new run all that the course says; throws at the first reply that is not the model's. */
export async function play(kernel: Kernel, course: readonly Step[]): Promise<Scene> {
  const newWorker = (): Worker => ({ token: undefined, claim: undefined, entries: [] })
  const scene: Scene = {
    kernel,
    // A limit that it never reaches is counted all the same.
    spec: makeRunSpec({ maxRunning: 1_000_000 }),
    model: { ...unborn, state: 'accepted' },
    workers: [newWorker(), newWorker(), newWorker()],
    calls: [],
    retries: 0,
    end: undefined,
  }
  await kernel.store.accept({ spec: scene.spec, body: '{}', homeChannel: '', bufferSize: 1_000_000 })
  for (const step of course) {
    const worker = scene.workers[step.worker]
    if (worker !== undefined) await acts[step.act](scene, worker, step)
  }
  return scene
}
