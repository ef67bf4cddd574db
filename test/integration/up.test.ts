import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { eventually } from '../support/gateway.ts'
import { callApi } from '../support/http.ts'

const root = resolve(import.meta.dirname, '../..')
// Four programs start in each of these tests.
vi.setConfig({ testTimeout: 60_000 })

interface Up {
  child: ChildProcess
  output(): string
  /** Resolves to the address in the banner. */
  listening: Promise<string>
  exited: Promise<number | null>
}

let dataDir: string
const started: Up[] = []

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-up-'))
})
afterEach(async () => {
  for (const { child, exited } of started.splice(0)) {
    child.kill('SIGTERM')
    await exited
  }
  await rm(dataDir, { recursive: true, force: true })
})

function startUp(...args: string[]): Up {
  const main = join(root, 'apps/cli/main.ts')
  const child = spawn(process.execPath, [main, 'up', '--data-dir', dataDir, ...args], {
    cwd: dataDir,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, NODE_COMPILE_CACHE: join(root, '.cache/compile') },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own, as a shell gives to each command.
    detached: true,
  })
  let output = ''
  const banner = Promise.withResolvers<string>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += String(chunk)
      const url = /Millrace listens at (http:\S+)/.exec(output)?.[1]
      if (url !== undefined) banner.resolve(url)
    })
  }
  const exited = once(child, 'close').then(() => child.exitCode)
  exited.then((code) => banner.reject(new Error(`It ended with ${code}:\n${output}`)), banner.reject)
  banner.promise.catch(() => undefined)
  const up = { child, output: () => output, listening: banner.promise, exited }
  started.push(up)
  return up
}

/** What a terminal does: it tells the whole group. */
function pressCtrlC({ child }: Up): void {
  process.kill(-child.pid!, 'SIGINT')
}

async function childrenOf(pid: number): Promise<number[]> {
  const list = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return list.trim().split(' ').map(Number)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('what the banner shows works at once, and Ctrl-C ends all of it when answers have been finished', async () => {
  const up = startUp('--port', '0')
  const url = await up.listening
  const [, path, body] = /curl -N (\S+) .*\\\n\s+-d '(.*)'/.exec(up.output())!
  expect(path).toBe(`${url}/v1/chat/completions`)
  const answer = await callApi(path!, { body: JSON.parse(body!) as unknown })
  expect(answer.text).toMatch(/"content":"Lorem"[^]*data: \[DONE]\n\n$/)

  const children = await childrenOf(up.child.pid!)
  expect(children).toHaveLength(3)
  const model = 'sim/lorem?tokens=30&gap_ms=20'
  const last = await fetch(path!, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...(JSON.parse(body!) as object), model }),
  })
  pressCtrlC(up)
  expect(await last.text()).toMatch(/"finish_reason":"stop"[^]*data: \[DONE]\n\n$/)
  expect(await up.exited).toBe(0)
  expect(children.filter(isAlive)).toEqual([])
})

test('a second start knows what the first has done', async () => {
  const first = startUp('--port', '0')
  const model = 'sim/lorem?tokens=3'
  const { json } = await callApi(`${await first.listening}/v1/chat/completions`, {
    body: { model, messages: [{ role: 'user', content: 'Hello' }], store: true },
  })
  pressCtrlC(first)
  expect(await first.exited).toBe(0)

  const second = startUp('--port', '0')
  const found = await callApi(`${await second.listening}/v1/chat/completions/${json.id}`)
  expect(found).toMatchObject({ status: 200, json: { ...json, metadata: {} } })
})

test('a port that is taken is told, with what to do, and nothing is left running', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const up = startUp('--port', String(port))
  expect(await up.exited).toBe(1)
  expect(up.output()).toContain(
    `Port ${port} on 127.0.0.1 is taken. Stop what uses it, or choose another with --port N.`,
  )
  expect(up.output()).not.toMatch(/\n\s+at /)
  other.close()
  const { ownerPid } = JSON.parse(await readFile(join(dataDir, 'redis/server.json'), 'utf8')) as {
    ownerPid: number
  }
  expect(ownerPid).toBe(up.child.pid)
  expect(isAlive(ownerPid)).toBe(false)
})

test('Ctrl-C while it starts ends it too', async () => {
  const up = startUp('--port', '0')
  await eventually('Redis is being started', async () => {
    return (await childrenOf(up.child.pid!).catch(() => [0])).some((pid) => pid > 0)
  })
  pressCtrlC(up)
  expect(await up.exited).toBe(0)
  expect(up.output()).not.toContain('Millrace listens')
})

test('after a kill its tiers end, and the next start takes over what it left', async () => {
  const killed = startUp('--port', '0')
  const url = await killed.listening
  const children = await childrenOf(killed.child.pid!)
  killed.child.kill('SIGKILL')
  await killed.exited.catch(() => undefined)
  await eventually('the API is gone', () =>
    fetch(url).then(
      () => false,
      () => true,
    ),
  )

  const next = startUp('--port', '0')
  expect((await callApi(`${await next.listening}/readyz`)).status).toBe(200)
  await eventually('all of the first is gone', () => children.every((pid) => !isAlive(pid)))
})
