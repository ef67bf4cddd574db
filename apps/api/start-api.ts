import type { Config } from '#config'
import { checkRedisServer } from '#libs/redis'
import type { Logger } from '#libs/telemetry'
import { createApp } from './app.ts'
import { startCarriers } from './batches/carriers.ts'
import { createApiDeps } from './deps.ts'

export interface RunningApi {
  readonly url: string
  /**
   * Takes nothing new and lets open answers go on for `drainMs`; then their connections are closed, and their
   * readers can resume elsewhere. Resolves when nothing of the API is left.
   */
  stop(drainMs: number): Promise<void>
}

/** Listens as configured. Throws an Error that tells what to do if the port is taken or Redis can't be had. */
export async function startApi(config: Config, logger: Logger): Promise<RunningApi> {
  const redisUrl = config.redis.url
  if (redisUrl === undefined) {
    throw new Error(
      'No Redis is configured. Set REDIS_URL or redis.url, or use `npm start`, which brings its own.',
    )
  }
  const deps = await createApiDeps({ config, redisUrl, logger })
  const app = createApp(deps)
  try {
    const { refusals, warnings } = await checkRedisServer(deps.redis, config.redis)
    for (const warning of warnings) logger.warn(warning)
    if (refusals.length > 0) throw new Error(refusals.join('\n'))
    const { host, port } = config.server
    const url = await app.listen({ host, port, backlog: 4_096 }).catch((error: unknown) => {
      throw toListenError(error, host, port)
    })
    const carriers = startCarriers(deps)
    return {
      url,
      async stop(drainMs) {
        deps.isDraining = true
        await carriers.close()
        deps.sockets.drain()
        const limit = setTimeout(() => {
          app.server.closeAllConnections()
          deps.sockets.close()
        }, drainMs)
        // A connection whose answer has just ended waits for its client's next request, which will not be taken.
        const sweep = setInterval(() => app.server.closeIdleConnections(), 100)
        await app.close()
        clearTimeout(limit)
        clearInterval(sweep)
        await deps.close()
      },
    }
  } catch (error) {
    await app.close()
    await deps.close()
    throw error
  }
}

function toListenError(error: unknown, host: string, port: number): Error {
  const { code } = error as { code?: string }
  if (code === 'EADDRINUSE') {
    return new Error(`Port ${port} on ${host} is taken. Stop what uses it, or choose another with --port N.`)
  }
  if (code === 'EACCES')
    return new Error(`Port ${port} needs rights that this user lacks. Choose one above 1023.`)
  return new Error(`Cannot listen on ${host}:${port}: ${String(code)}.`, { cause: error })
}
