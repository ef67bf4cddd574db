import { knownTenants, type Config } from '#config'
import { isRunId, type RunId } from '#libs/core'
import { createBullmqQueue, type JobQueue } from '#libs/jobs'
import { connectRedis, keys, withLock } from '#libs/redis'
import { createArchive, createRedisRunStore, type FinishedRun, type Run, type RunStore } from '#libs/runs'
import { openObjectStore } from '#libs/storage'

/** What the commands about runs work on. */
export interface Runs {
  config: Config
  store: RunStore
  queues: ReadonlyMap<string, JobQueue>
  /** Whoever's the run is, wherever it is kept. */
  find(rid: RunId): Promise<FoundRun | undefined>
  close(): Promise<void>
}

export interface FoundRun {
  run: Run
  /** The request as it was accepted. */
  body: string | undefined
}

/** Connects to what the gateway of this configuration uses; `undefined` when that names no Redis. */
export async function openRuns(config: Config): Promise<Runs | undefined> {
  const { url, retainMs } = config.redis
  if (url === undefined) return undefined
  const redis = await connectRedis(url, 'request')
  const objects = await openObjectStore(config.storage)
  const store = createRedisRunStore(redis, { retainMs })
  const archive = createArchive({
    store: objects,
    exclusively: (tenant, act) => withLock(redis, keys.erasing(tenant), act),
  })
  const queues = new Map(config.providers.map(({ name }) => [name, createBullmqQueue(name, redis)]))
  const tenants = knownTenants(config)
  return {
    config,
    store,
    queues,
    async find(rid) {
      if (!isRunId(rid)) return undefined
      const run = await store.inspect(rid)
      if (run !== undefined) return { run, body: await store.body(rid) }
      for (const tenant of tenants) {
        const line = await archive.read(rid, tenant)
        if (line === undefined) continue
        const finished = JSON.parse(line) as FinishedRun
        return { run: finished.run, body: finished.body }
      }
      return undefined
    },
    async close() {
      for (const queue of queues.values()) await queue.close()
      await objects.close()
      redis.disconnect()
    },
  }
}
