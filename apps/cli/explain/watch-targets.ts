import type { Config } from '#config'
import { createRestReader, type RestingKey } from '#libs/keys'
import { connectRedis } from '#libs/redis'
import { createBreakerSettings, createHealth, type Health } from '#libs/routing'

/** How targets fare, as far as it can be told. */
export interface WatchedTargets {
  /** Undefined where no Redis answers. */
  health: Health | undefined
  restingKeys: RestingKey[]
  /** Why there is no news. */
  problem: string | undefined
  close(): Promise<void>
}

const patienceMs = 2_000

/** Reads once what the processes of the gateway have told each other. */
export async function watchTargets({ redis, models, modelDefaults }: Config): Promise<WatchedTargets> {
  const blind = (problem: string): WatchedTargets => ({
    health: undefined,
    restingKeys: [],
    problem,
    close: async () => undefined,
  })
  if (redis.url === undefined) return blind('no Redis is configured')
  try {
    const connection = await connectRedis(redis.url, 'request', { timeoutMs: patienceMs })
    const health = await createHealth({
      redis: connection,
      settingsOf: createBreakerSettings(models, modelDefaults),
      keysOf: () => 0,
      onError: () => undefined,
    })
    return {
      health,
      restingKeys: await createRestReader(connection)(),
      problem: undefined,
      async close() {
        await health.close()
        connection.disconnect()
      },
    }
  } catch (error) {
    return blind(error instanceof Error ? error.message : String(error))
  }
}
