import { parseArgs } from 'node:util'
import { startFleet } from './fleet.ts'
import { readMany } from './read-many.ts'
import { clean, judge } from './verdict.ts'

/** Loads that are too big for CI. `concurrency` is what the provider takes at once, which its journal must confirm. */
const loads = {
  quick: { streams: 2_000, concurrency: 2_000, model: 'lorem?tokens=250&gap_ms=20', rampMs: 5_000 },
  slow: { streams: 10_000, concurrency: 10_000, model: 'lorem?tokens=20&gap_ms=1000', rampMs: 20_000 },
}
const deadlineMs = 180_000

const usage = `Usage: npm run test:load -- [quick|slow]

quick: 2,000 streams of 250 tokens, 50 tokens a second each. slow: 10,000 streams of 20 tokens, one a second.`

const { positionals } = parseArgs({ allowPositionals: true })
const names = positionals.length === 0 ? (['quick', 'slow'] as const) : positionals
for (const name of names) {
  if (name !== 'quick' && name !== 'slow') {
    console.error(usage)
    process.exit(2)
  }
  if (!(await runLoad(name))) process.exitCode = 1
}

async function runLoad(name: keyof typeof loads): Promise<boolean> {
  const { concurrency, ...load } = loads[name]
  const fleet = await startFleet({ apis: 2, workers: 3, concurrency, direct: true })
  try {
    const startedMs = performance.now()
    const results = await readMany(fleet, { name, deadlineMs, ...load })
    const tookMs = performance.now() - startedMs
    const outcome = await judge(fleet, results, { model: load.model, archivedWithinMs: 60_000 })
    const { maxInFlight, tokens } = (await fleet.journal()).totals
    const isClean = JSON.stringify(outcome.verdict) === JSON.stringify(clean)
    const isWhole = isClean && outcome.completed === load.streams && maxInFlight <= concurrency
    const tokensPerSecond = Math.round(tokens / (tookMs / 1000))
    console.log(name, isWhole ? 'passed' : 'FAILED', { ...outcome, maxInFlight, tokens, tokensPerSecond })
    return isWhole
  } finally {
    await fleet.close()
  }
}
