import type { RunId } from '#libs/core'
import type { Run } from '#libs/runs'
import type { Runs } from './open.ts'

/** As an operator thinks of them. */
export const states = ['waiting', 'running', 'ended', 'dead'] as const
export type ListedState = (typeof states)[number]

export interface ListOptions {
  state: ListedState | undefined
  provider: string | undefined
  /** The most of each state. */
  limit: number
  json: boolean
}

/** A run, or a job that names none. */
interface Listed {
  rid: string
  state: ListedState
  provider: string
  tenant: string | null
  model: string | null
  acceptedAt: string | null
  outcome: string | null
  /** Why it failed or is dead. */
  reason: string | null
}

/** Prints the runs, a line each; resolves to the exit code. */
export async function listRuns(runs: Runs, options: ListOptions): Promise<number> {
  const wanted = options.state === undefined ? states : [options.state]
  const listed: Listed[] = []
  for (const state of wanted) listed.push(...(await finders[state](runs, options)))
  const shown = listed.filter(
    ({ provider }) => options.provider === undefined || provider === options.provider,
  )
  if (options.json) console.log(JSON.stringify(shown, null, 2))
  else for (const line of toLines(shown)) console.log(line)
  return 0
}

type Finder = (runs: Runs, options: ListOptions) => Promise<Listed[]>

const finders: Readonly<Record<ListedState, Finder>> = {
  async waiting(runs, { limit, provider }) {
    const providers = provider === undefined ? [...runs.queues.keys()] : [provider]
    const rids = await Promise.all(providers.map((name) => runs.store.waitingLong(name, 0, limit)))
    return describe(runs, 'waiting', rids.flat())
  },
  running: async (runs, { limit }) => describe(runs, 'running', await runs.store.abandoned(0, limit)),
  async ended(runs, { limit }) {
    const tenants = new Set(runs.config.keys.map(({ tenant }) => tenant)).add('default')
    const query = { stored: false, limit, order: 'desc' } as const
    const pages = await Promise.all([...tenants].map((tenant) => runs.store.list(tenant, query)))
    const listed = await describe(
      runs,
      'ended',
      pages.flatMap(({ rids }) => rids),
    )
    return listed.filter(({ outcome }) => outcome !== null)
  },
  async dead(runs, { limit }) {
    const letters = await describe(runs, 'dead', await runs.store.dead(limit))
    const jobs = await Promise.all(
      [...runs.queues].map(async ([provider, queue]) => {
        const failed = await queue.failed(limit)
        return failed.map(({ id, reason }) => ({ ...nothingKnown(id, 'dead'), provider, reason }))
      }),
    )
    return [...letters, ...jobs.flat()]
  },
}

async function describe(runs: Runs, state: ListedState, rids: readonly RunId[]): Promise<Listed[]> {
  return Promise.all(
    rids.map(async (rid) => {
      const found = await runs.find(rid).catch(() => undefined)
      return found === undefined
        ? { ...nothingKnown(rid, state), reason: 'its record is gone or cannot be read' }
        : toListed(found.run, state)
    }),
  )
}

function nothingKnown(rid: string, state: ListedState): Listed {
  return {
    rid,
    state,
    provider: '',
    tenant: null,
    model: null,
    acceptedAt: null,
    outcome: null,
    reason: null,
  }
}

function toListed({ spec, end }: Run, state: ListedState): Listed {
  return {
    rid: spec.rid,
    state,
    provider: spec.provider,
    tenant: spec.tenant,
    model: spec.model,
    acceptedAt: new Date(spec.createdAtMs).toISOString(),
    outcome: end?.outcome ?? null,
    reason: end?.error === undefined ? null : `${end.error.code}: ${end.error.message}`,
  }
}

function toLines(listed: readonly Listed[]): string[] {
  if (listed.length === 0) return ['There are none.']
  return listed.map(({ rid, state, provider, tenant, model, acceptedAt, outcome, reason }) =>
    [state, rid, provider, tenant, model, acceptedAt, outcome, reason]
      .map((field) => field || '-')
      .join('  '),
  )
}
