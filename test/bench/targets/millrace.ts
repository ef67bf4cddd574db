import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { startPrivateRedis } from '#libs/redis'

import { choosingModel, fiveTargets } from '../scenarios.ts'
import { adoptProcess, findFreePort, startProcess } from '../processes.ts'
import type { Gateway } from './start-target.ts'

const apps = join(import.meta.dirname, '../../../apps')

export const simulatorProgram = join(apps, 'simulator/main.ts')

/** In front of the simulator. */
export function startMillrace(
  simulator: { baseUrl: string; models: string[]; streams: number },
  cleanup: AsyncDisposableStack,
): Promise<Gateway> {
  return startTiers(toConfig(simulator), cleanup)
}

/** The gateway as production runs it: an API, a worker and a Redis, and with the archive on. */
export async function startTiers(config: object, cleanup: AsyncDisposableStack): Promise<Gateway> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  cleanup.defer(() => rmSync(directory, { recursive: true, force: true }))
  const redis = await startPrivateRedis({ directory: join(directory, 'redis') })
  cleanup.defer(() => redis.close())
  if (redis.pid === undefined) throw new Error('The private Redis has no process to measure.')
  cleanup.defer(adoptProcess(redis.pid))

  const configFile = join(directory, 'millrace.yaml')
  const storage = { driver: 'directory', path: join(directory, 'archive') }
  writeFileSync(configFile, JSON.stringify({ storage, ...config }))
  function start(app: 'api' | 'worker', ...args: string[]) {
    const program = join(apps, app, 'main.ts')
    const started = startProcess(app, process.execPath, [program, '--config', configFile, ...args], {
      NODE_ENV: 'production',
      REDIS_URL: redis.url,
    })
    cleanup.defer(() => started.stop())
    return started
  }
  const port = await findFreePort()
  const worker = start('worker')
  const api = start('api', '--port', String(port))
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    headers: {},
    roles: { api: api.pid, worker: worker.pid, redis: redis.pid },
    failures: [api.exited, worker.exited],
  }
}

/** The default concurrency for whole answers; for streams, which last, as much as there are of them and some more. */
function toConfig({
  baseUrl,
  models,
  streams,
}: {
  baseUrl: string
  models: string[]
  streams: number
}): object {
  return {
    providers: {
      bench: {
        type: 'openai-compatible',
        base_url: baseUrl,
        keys: [{ value: 'bench' }],
        ...(streams > 0 && { concurrency: streams * 2 }),
        buffer_size: 50_000,
      },
    },
    models: models.filter((model) => !model.includes('/')).map(toModel),
  }
}

function toModel(name: string): object {
  if (name !== choosingModel) return { name, targets: [{ provider: 'bench', model: name }] }
  const targets = fiveTargets.map((model) => ({ provider: 'bench', model }))
  return { name, routing: 'least-busy', targets }
}
