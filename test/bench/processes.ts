import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { inspect, promisify } from 'node:util'

export const cacheDirectory = join(import.meta.dirname, '../../.cache/bench')

const readyWithinMs = 60_000
const stopWithinMs = 8_000

export interface BenchProcess {
  name: string
  pid: number
  stop(): Promise<void>
}

// Each leads a process group of its own: Ctrl-C reaches the bench alone, which then ends them all.
const groups = new Set<number>()

/** For exits that leave no time to wait: Ctrl-C, a failure. */
export function killEverything(): void {
  for (const pid of groups) signalGroup(pid, 'SIGKILL')
  groups.clear()
}

/** Has `killEverything` end this one too, until what is returned is called: an id may be given to another. */
export function adoptProcess(pid: number): () => void {
  groups.add(pid)
  return () => void groups.delete(pid)
}

/** Its output goes to a file under `.cache/bench`, whose end is quoted where it fails. */
export function startProcess(
  name: string,
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv = {},
): BenchProcess & { exited: Promise<never> } {
  mkdirSync(cacheDirectory, { recursive: true })
  const logFile = join(cacheDirectory, `${name}.log`)
  const log = openSync(logFile, 'w')
  const child = spawn(command, args, {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...process.env, ...env },
  })
  closeSync(log)
  const { pid } = child
  if (pid === undefined) throw new Error(`${name} cannot be started: is ${command} installed?`)
  groups.add(pid)
  let stopping = false
  const exited = once(child, 'exit').then(([code]) => {
    if (stopping) return new Promise<never>(() => {})
    const lastLines = readFileSync(logFile, 'utf8').trim().split('\n').slice(-15).join('\n')
    throw new Error(
      `${name} ended by itself (exit code ${code}). Its log, ${logFile}, ends with:\n${lastLines}`,
    )
  })
  // Whoever waits for the process sees the failure; without one it must not end the bench.
  exited.catch(() => undefined)
  return {
    name,
    pid,
    exited,
    stop: () => {
      stopping = true
      return stopGroup(child, pid)
    },
  }
}

/** Rejects with what the command printed, if it fails. */
export async function runToEnd(command: string, args: string[], directory: string): Promise<void> {
  await promisify(execFile)(command, args, { cwd: directory, timeout: 300_000 })
}

async function stopGroup(child: ChildProcess, pid: number): Promise<void> {
  const gone = child.exitCode !== null || child.signalCode !== null ? Promise.resolve() : once(child, 'exit')
  signalGroup(pid, 'SIGTERM')
  await Promise.race([gone, setTimeout(stopWithinMs, undefined, { ref: false })])
  signalGroup(pid, 'SIGKILL')
  await gone
  groups.delete(pid)
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  // An adopted process leads no group. To signal both would be a second Ctrl-C to those that do.
  if (!trySignal(-pid, signal)) trySignal(pid, signal)
}

function trySignal(target: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(target, signal)
  } catch {
    // It has ended already.
    return false
  }
}

export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('A TCP server has no port.')
  return address.port
}

/** Asks again and again until the answer is whole. */
export async function waitUntilAnswers(
  url: string,
  headers: Record<string, string>,
  model: string,
): Promise<void> {
  const deadlineMs = performance.now() + readyWithinMs
  let last = ''
  while (performance.now() < deadlineMs) {
    last = await tryOnce(url, headers, model)
    if (last === 'ready') return
    await setTimeout(200)
  }
  throw new Error(`${url} gave no answer within ${readyWithinMs / 1000} s. The last try: ${last}`)
}

async function tryOnce(url: string, headers: Record<string, string>, model: string): Promise<string> {
  try {
    const messages = [{ role: 'user', content: 'Are you there?' }]
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages, max_tokens: 1 }),
      signal: AbortSignal.timeout(5000),
    })
    const body = await response.text()
    return response.ok ? 'ready' : `HTTP ${response.status} ${body.slice(0, 300)}`
  } catch (error) {
    return inspect(error)
  }
}
