import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const apps = join(import.meta.dirname, '../../apps')

/** One process of the gateway, or beside it, with its output in a file. */
export interface TierProcess {
  readonly pid: number
  /** What it said when it was ready: an API its address. */
  readonly ready: string
  readonly isAlive: boolean
  signal(signal: NodeJS.Signals): void
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGTERM, and SIGKILL when that does not help. */
  stop(): Promise<void>
  readLog(): string
}

const alive = new Set<ChildProcess>()
// A test process that fails must leave nothing behind.
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})

/** Starts `apps/<tier>/main.ts`; throws the end of its log if it ends before it is ready. */
export async function startTier(
  tier: 'api' | 'worker' | 'simulator',
  args: string[],
  logFile: string,
): Promise<TierProcess> {
  const log = openSync(logFile, 'a')
  const isSimulator = tier === 'simulator'
  const child = spawn(process.execPath, [join(apps, tier, 'main.ts'), ...args], {
    stdio: isSimulator ? ['ignore', 'pipe', log] : ['ignore', log, log, 'ipc'],
  })
  closeSync(log)
  alive.add(child)
  const exited = once(child, 'exit').then(() => alive.delete(child))
  const failed = exited.then(() => {
    throw new Error(`${tier} did not start:\n${readFileSync(logFile, 'utf8').slice(-2_000)}`)
  })
  const ready = await Promise.race([isSimulator ? readAddress(child) : readReady(child), failed])
  failed.catch(() => undefined)
  const isAlive = (): boolean => child.exitCode === null && child.signalCode === null
  return {
    pid: child.pid ?? 0,
    ready,
    get isAlive() {
      return isAlive()
    },
    signal: (signal) => void child.kill(signal),
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
    async stop() {
      if (!isAlive()) return
      child.kill('SIGCONT')
      child.kill('SIGTERM')
      const impatience = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await exited
      clearTimeout(impatience)
    },
    readLog: () => readFileSync(logFile, 'utf8'),
  }
}

async function readReady(child: ChildProcess): Promise<string> {
  const [message] = (await once(child, 'message')) as [{ ready: string }]
  return message.ready
}

async function readAddress(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('The simulator has no output.')
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  return /http:\/\/[^/\s]+/.exec(line)?.[0] ?? ''
}
