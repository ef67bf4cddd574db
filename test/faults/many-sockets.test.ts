import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { eventually } from '../support/gateway.ts'
import { providerName, startFleet, type Fleet } from './fleet.ts'
import { createRandom } from './random.ts'
import { readMany } from './read-many.ts'
import { scaled, seed } from './scale.ts'
import { readSocket } from './socket-client.ts'
import { clean, judge } from './verdict.ts'

const clients = scaled(200, 1_000)
const streamsEach = 4
const idle = scaled(500, 2_000)
const slowReaders = scaled(50, 200)
const stuckReaderMs = 6_000
/** Most of it is what the collector has not come to yet: all that the system's buffers took went by. */
const mostGrowthBytes = 512 * 1024 * 1024

let fleet: Fleet
const sockets: WebSocket[] = []
beforeAll(async () => {
  fleet = await startFleet({
    apis: 2,
    workers: 3,
    concurrency: clients * streamsEach,
    direct: true,
    server: { stuck_reader_ms: stuckReaderMs },
  })
})
afterAll(async () => {
  closeAll()
  await fleet.close()
})

function closeAll(): void {
  for (const socket of sockets.splice(0)) socket.terminate()
}

function memoryOf(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes) * 1024
}

async function connect(path: string): Promise<WebSocket> {
  const socket = new WebSocket(`${fleet.apis[0]!.ready.replace(/^http/, 'ws')}${path}`)
  sockets.push(socket)
  await once(socket, 'open')
  socket.on('error', () => undefined)
  return socket
}

async function isOpen(count: number): Promise<boolean> {
  const metrics = await (await fetch(`${fleet.apis[0]!.ready}/metrics`)).text()
  return Number(/^millrace_websocket_connections (\d+)/m.exec(metrics)?.[1]) === count
}

test(`${idle} idle connections cost little`, async () => {
  for (let count = 0; count < 100; count += 1) await connect('/v1/responses')
  const before = memoryOf(fleet.apis[0]!.pid)
  for (let count = 0; count < idle; count += 1) await connect('/v1/responses')
  expect(await isOpen(100 + idle)).toBe(true)
  await sleep(3_000)
  const each = Math.round((memoryOf(fleet.apis[0]!.pid) - before) / idle / 1024)
  process.stdout.write(`${idle} idle WebSockets: ${each} KiB each\n`)
  expect(each).toBeLessThan(64)
  closeAll()
  await eventually('all are gone', () => isOpen(0))
}, 60_000)

test(`${slowReaders} connections that take nothing cost bounded memory, and are closed`, async () => {
  const long = 'lorem?tokens=15000&gap_ms=0'
  const [whole] = await readMany(fleet, { name: 'long', streams: 1, model: long, deadlineMs: 60_000 })
  expect(whole?.outcome).toBe('completed')
  const made = await fetch(`${fleet.apis[0]!.ready}/v1/responses`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: `${providerName}/${long}`, input: 'long', stream: true }),
  })
  const { id } = (await made.text()).match(/"id":"(?<id>resp_[0-9a-f]+)"/)!.groups!
  const before = memoryOf(fleet.apis[0]!.pid)
  for (let count = 0; count < slowReaders; count += 1) {
    const socket = await connect('/v1/responses')
    socket.pause()
    for (let name = 0; name < streamsEach; name += 1) {
      socket.send(JSON.stringify({ type: 'response.subscribe', response_id: id, stream_id: String(name) }))
    }
  }
  let most = 0
  const areClosed = async (): Promise<boolean> => {
    most = Math.max(most, memoryOf(fleet.apis[0]!.pid) - before)
    return isOpen(0)
  }
  // First the system's own buffers take what they can.
  await eventually('they are closed', areClosed, stuckReaderMs + 60_000)
  process.stdout.write(
    `${slowReaders} WebSockets of ${streamsEach} streams that read nothing: ${Math.round(most / 1024 / 1024)} MiB more\n`,
  )
  expect(most).toBeLessThan(mostGrowthBytes)
  closeAll()
}, 120_000)

test(`${clients} clients with ${streamsEach} streams each come and go, and no event is lost or doubled`, async () => {
  const model = 'lorem?tokens=20&gap_ms=1000'
  const random = createRandom(seed)
  const startedMs = performance.now()
  const reading = Array.from({ length: clients }, async (_, index) => {
    await sleep((scaled(2_000, 15_000) * index) / clients)
    return readSocket({
      urls: fleet.urls,
      model: `${providerName}/${model}`,
      prompts: Array.from({ length: streamsEach }, (__, at) => `many ${index} ${at}`),
      deadlineMs: 180_000,
      leaveWithinMs: 10_000,
      random,
    })
  })
  const results = (await Promise.all(reading)).flat()
  const tookMs = Math.round(performance.now() - startedMs)

  const outcome = await judge(fleet, results, { model, archivedWithinMs: 60_000 })
  process.stdout.write(`${JSON.stringify({ ...outcome, tookMs })}\n`)
  expect(outcome.verdict).toEqual(clean)
  expect(outcome.completed).toBe(clients * streamsEach)
  expect(outcome.resumes).toBeGreaterThan(clients)
}, 300_000)
