import { randomUUID } from 'node:crypto'
import { hasEnded, type BatchKey } from '#libs/batches'
import { GatewayError } from '#libs/core'
import type { ApiDeps } from '../deps.ts'
import { carryBatch } from './carry-batch.ts'
import { createHeldBatch, LeftBatch, type HeldBatch } from './held-batch.ts'

/** What carries batches in this process. */
export interface Carriers {
  /** Takes no more batches and leaves those at hand to other processes; resolves when it has let go of all. */
  close(): Promise<void>
}

const lookEveryMs = 1_000
const tidyEveryMs = 60_000
/** What Redis has forgotten is looked for among many objects. */
const reopenEveryMs = 5 * 60_000

/**
 * Takes batches that nobody holds and carries them. Any number of processes may do so; each batch has one holder, who
 * says every second that it lives, and whose death others notice after ten. Tidies up after files and batches too.
 */
export function startCarriers(deps: ApiDeps): Carriers {
  const { batches, config, logger, metrics } = deps
  const held = new Map<HeldBatch, Promise<void>>()
  const warn = (error: unknown, what: string): void => logger.warn({ err: GatewayError.from(error) }, what)
  metrics.beforeScrape(() => metrics.batchesHeld({}).set(held.size))

  async function takeMore(): Promise<void> {
    const room = config.batches.atOnce - held.size
    if (room <= 0 || deps.isDraining) return
    const holder = randomUUID()
    for (const key of await batches.take(holder, room)) await begin(key, holder)
  }

  async function begin(key: BatchKey, holder: string): Promise<void> {
    const batch = await batches.get(key.tenant, key.id)
    if (batch === undefined) return batches.forget(key)
    if (hasEnded(batch.state)) return batches.close(batch.spec, holder, batch.state)
    const mine = createHeldBatch(batch, holder)
    if (batch.cancelAtMs !== undefined) mine.end('cancelled')
    const carrying = carryBatch(deps, mine)
      .catch((error: unknown) => {
        if (error instanceof LeftBatch) logger.info({ batch: key.id }, 'a batch is left to others')
        else logger.error({ err: GatewayError.from(error), batch: key.id }, 'a batch will be tried again')
      })
      .finally(() => held.delete(mine))
    held.set(mine, carrying)
  }

  async function holdOn(mine: HeldBatch): Promise<void> {
    if (Date.now() >= mine.spec.expiresAtMs) mine.end('expired')
    if (hasEnded(mine.state)) return
    const answer = await batches.hold(mine.spec, mine.holder, mine.state)
    if (answer === 'lost') return mine.leave()
    mine.renew()
    if (answer.cancelAtMs !== undefined) mine.end('cancelled')
  }

  const look = repeat(lookEveryMs, async () => {
    await Promise.all([...held.keys()].map(holdOn)).catch((error: unknown) =>
      warn(error, 'a batch could not be held'),
    )
    await takeMore().catch((error: unknown) => warn(error, 'no batches could be taken'))
  })
  const tidy = repeat(tidyEveryMs, () =>
    deps.files.sweep().catch((error: unknown) => warn(error, 'expired files could not be deleted')),
  )
  const reopen = repeat(reopenEveryMs, () =>
    batches.reopen().catch((error: unknown) => warn(error, 'forgotten batches could not be looked for')),
  )

  return {
    async close() {
      const repeated = [look, tidy, reopen].map((each) => each.close())
      const left = [...held]
      for (const [mine] of left) mine.leave()
      await Promise.all([...repeated, ...left.map(([, carrying]) => carrying)])
      await Promise.all(left.map(([mine]) => batches.release(mine.spec, mine.holder))).catch(
        (error: unknown) => warn(error, 'a batch will be taken over late'),
      )
    },
  }
}

/** At once and then every so often; never twice at the same time. `act` handles what goes wrong. */
function repeat(everyMs: number, act: () => Promise<void>): { close(): Promise<void> } {
  let acting: Promise<void> | undefined
  const run = (): void => {
    acting ??= act().finally(() => (acting = undefined))
  }
  run()
  const timer = setInterval(run, everyMs)
  return {
    async close() {
      clearInterval(timer)
      await acting
    },
  }
}
