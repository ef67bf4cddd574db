import type { Redis } from '#libs/redis'
import type { Acceptance, RunSpec, RunStore } from '#libs/runs'
import { makeEnd, makeRunSpec } from '../support/runs.ts'

/** The jobs of one provider, taken as BullMQ takes them: by priority, and those of one priority as they came. */
export interface TestQueue {
  readonly provider: string
  accept(fields: Partial<RunSpec>, acceptance?: Partial<Acceptance>): Promise<RunSpec>
  /** Accepts so many runs, one after the other. */
  flood(count: number, fields: Partial<RunSpec>, acceptance?: Partial<Acceptance>): Promise<RunSpec[]>
  /** Claims the next so many runs, and gives them in that order. They go on running. */
  serve(count: number): Promise<RunSpec[]>
  priorityOf(spec: RunSpec): number | undefined
  /** As a promotion has it. */
  setPriority(rid: string, priority: number): void
}

let queues = 0

export function createTestQueue(store: RunStore): TestQueue {
  const provider = `p${++queues}`
  const jobs = new Map<string, { spec: RunSpec; priority: number }>()

  async function accept(fields: Partial<RunSpec>, acceptance: Partial<Acceptance> = {}): Promise<RunSpec> {
    const spec = makeRunSpec({ provider, ...fields })
    const asked = { spec, body: '{}', homeChannel: '', bufferSize: 10_000, ...acceptance }
    const result = await store.accept(asked)
    if (result.status !== 'accepted') throw new Error(`The run is not accepted: ${result.status}.`)
    jobs.set(spec.rid, { spec, priority: result.priority })
    return spec
  }

  async function serveOne(): Promise<RunSpec> {
    // The sort is stable, and a map keeps the order of arrival.
    const [next] = [...jobs.values()].toSorted((left, right) => left.priority - right.priority)
    if (next === undefined) throw new Error('Nothing waits.')
    jobs.delete(next.spec.rid)
    const claim = await store.claim(next.spec.rid, provider, 'worker')
    // Its job ends at once, as it does in a worker.
    return claim.status === 'run' ? next.spec : serveOne()
  }

  return {
    provider,
    accept,
    async flood(count, fields, acceptance) {
      const specs: RunSpec[] = []
      for (let at = 0; at < count; at++) specs.push(await accept(fields, acceptance))
      return specs
    },
    async serve(count) {
      const served: RunSpec[] = []
      for (let at = 0; at < count; at++) served.push(await serveOne())
      return served
    },
    priorityOf: ({ rid }) => jobs.get(rid)?.priority,
    setPriority(rid, priority) {
      const job = jobs.get(rid)
      jobs.delete(rid)
      if (job !== undefined) jobs.set(rid, { ...job, priority })
    },
  }
}

/** How often each tenant was served. */
export function shares(served: readonly RunSpec[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { tenant } of served) counts[tenant] = (counts[tenant] ?? 0) + 1
  return counts
}

/** Ends a run that was claimed by `worker`. */
export async function endRun(store: RunStore, redis: Redis, spec: RunSpec): Promise<string> {
  const epoch = Number(await redis.hget(`mr:run:${spec.rid}`, 'epoch'))
  const entry = { epoch, seq: 0, count: 0, meta: '', payload: '' }
  return store.end({ spec, epoch, homeChannel: '', end: makeEnd(), entry })
}
