import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../support/gateway.ts'
import { startFleet, type Fleet } from './fleet.ts'
import { readMany } from './read-many.ts'
import { scaled } from './scale.ts'
import { clean, judge } from './verdict.ts'

const readers = scaled(200, 500)
const stuckReaderMs = 6_000
/** Most of it is what the collector has not come to yet: all that the system's buffers took went by. */
const mostGrowthBytes = 512 * 1024 * 1024

let fleet: Fleet
const sockets: Socket[] = []
beforeAll(async () => {
  fleet = await startFleet({ apis: 1, workers: 1, server: { stuck_reader_ms: stuckReaderMs } })
})
afterAll(async () => {
  for (const socket of sockets) socket.destroy()
  await fleet.close()
})

function memoryOf(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes) * 1024
}

async function subscribers(): Promise<number> {
  const metrics = await (await fetch(`${fleet.urls()[0]}/metrics`)).text()
  return Number(/^millrace_stream_subscribers (\d+)/m.exec(metrics)?.[1])
}

/** Reads the run's stream a byte a second, which to a network is as good as nothing. */
function readSlowly(rid: string): void {
  const { hostname, port } = new URL(fleet.urls()[0] ?? '')
  const socket = connect({ host: hostname, port: Number(port) })
  sockets.push(socket)
  socket.on('error', () => undefined)
  socket.pause()
  socket.write(`GET /v1/chat/completions/${rid}?stream=true HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`)
  const timer = setInterval(() => socket.read(1), 1_000)
  socket.on('close', () => clearInterval(timer))
}

test(`${readers} readers of a byte a second cost bounded memory and nobody else anything, and are closed`, async () => {
  const long = 'lorem?tokens=15000&gap_ms=0'
  const [whole] = await readMany(fleet, { name: 'long', streams: 1, model: long, deadlineMs: 30_000 })
  expect(whole?.outcome).toBe('completed')
  const pid = fleet.apis[0]?.pid ?? 0
  const before = memoryOf(pid)

  for (let count = 0; count < readers; count += 1) readSlowly(whole?.rid ?? '')
  // The system's own buffers may take all for the first of them.
  await eventually('they are served', async () => (await subscribers()) >= readers / 2)
  const model = 'lorem?tokens=20&gap_ms=50'
  const others = await readMany(fleet, { name: 'others', streams: 20, model, deadlineMs: 20_000 })
  const growth = memoryOf(pid) - before
  expect(growth).toBeLessThan(mostGrowthBytes)
  const { verdict, completed, slowestMs } = await judge(fleet, others, { model })
  expect({ verdict, completed }).toEqual({ verdict: clean, completed: 20 })
  expect(slowestMs).toBeLessThan(20 * 50 + 8_000)
  const isClosed = async (): Promise<boolean> => (await subscribers()) < readers / 4
  await eventually('those that take nothing are closed', isClosed, stuckReaderMs + 15_000)
  process.stdout.write(`${readers} slow readers: ${Math.round(growth / 1024 / 1024)} MiB more\n`)
}, 60_000)
