import { setTimeout as sleep } from 'node:timers/promises'
import { toStreamingFile } from 'openai/uploads'
import { afterEach, expect, test } from 'vitest'
import { residentBytes } from '../bench/proc.ts'
import { startFleet, type Fleet } from './fleet.ts'
import { clientOf, countDone, handIn, judgeBatch } from './hand-in.ts'
import { createRandom } from './random.ts'
import { seed } from './scale.ts'

let fleet: Fleet
afterEach(() => fleet.close())

const killEveryMs = 10_000
const timeoutMs = 400_000

test(
  'ten thousand lines, a worker killed every ten seconds, and the holder once: each line once, paid for once',
  async () => {
    fleet = await startFleet({ apis: 2, workers: 3, concurrency: 240 })
    const random = createRandom(seed)
    const lines = 10_000
    const id = await handIn(fleet, lines, 'lorem?tokens=5&gap_ms=40')
    let kills = 0
    let mostBytes = 0
    let isOver = false
    const killing = (async () => {
      for (let nextKillMs = performance.now() + killEveryMs; !isOver;) {
        await sleep(200)
        const living = fleet.apis.filter(({ isAlive }) => isAlive)
        mostBytes = Math.max(mostBytes, ...living.map(({ pid }) => residentBytes(pid)))
        if (performance.now() < nextKillMs) continue
        nextKillMs += killEveryMs
        kills += 1
        const victim = random.pick(fleet.workers)
        fleet.workers.splice(fleet.workers.indexOf(victim), 1)
        await victim.kill()
        await fleet.addWorker()
        if (kills === 2) await fleet.apis[0]?.kill()
      }
    })()
    while ((await countDone(fleet, id).catch(() => 0)) < lines) await sleep(500)
    isOver = true
    await killing

    const verdict = await judgeBatch(fleet, id, lines, 60_000)
    const { upstream_outcome_unknown: unknown = 0, ...others } = verdict.failed
    expect(others).toEqual({})
    expect(verdict).toMatchObject({ status: 'completed', missing: 0, doubled: 0, doubledCalls: 0 })
    expect(verdict.completed).toBe(lines - unknown)
    expect(kills).toBeGreaterThan(2)
    expect(unknown).toBeLessThanOrEqual(kills * 240)
    expect(mostBytes).toBeLessThan(500e6)
  },
  timeoutMs,
)

test(
  'an upload of two hundred megabytes leaves its process below two hundred',
  async () => {
    fleet = await startFleet({ apis: 1, workers: 0, direct: true })
    const [api] = fleet.apis
    const piece = Buffer.alloc(1_000_000, 'millrace ')
    const body = async function* () {
      for (let count = 0; count < 200; count += 1) yield piece
    }
    let mostBytes = 0
    const timer = setInterval(() => {
      mostBytes = Math.max(mostBytes, residentBytes(api?.pid ?? 0))
    }, 20)
    const file = toStreamingFile(body(), 'large.bin')
    const { bytes } = await clientOf(fleet).files.create({ file, purpose: 'user_data' })
    clearInterval(timer)
    expect(bytes).toBe(200_000_000)
    expect(mostBytes).toBeLessThan(200e6)
  },
  timeoutMs,
)
