import { replayConversations, type Replayed } from '../support/conversations.ts'
import { findFreePort, startProcess, waitUntilAnswers } from './processes.ts'
import { simulatorProgram, startTiers } from './targets/millrace.ts'

/** What one way to choose among keys finds in their prompt caches. */
export interface CacheMeasurement extends Replayed {
  routing: string
  keys: number
  /** The part of the requests that the busiest key has answered. */
  busiest: number
}

const model = 'lorem?tokens=32&gap_ms=1'
const shape = { conversations: 64, turns: 6, systemPrompts: 6, atOnce: 8 }
const ways = [
  { routing: 'one key alone', name: 'one', keys: 1, settings: {} },
  { routing: 'cache-aware', name: 'aware', keys: 8, settings: { routing: 'cache-aware' } },
  { routing: 'load-balance', name: 'random', keys: 8, settings: {} },
]

/** Replays the same conversations in each way, one after the other, each with keys of its own. */
export async function measureCaches(): Promise<CacheMeasurement[]> {
  await using cleanup = new AsyncDisposableStack()
  const port = await findFreePort()
  const simulator = startProcess('simulator', process.execPath, [
    simulatorProgram,
    '--port',
    String(port),
    '--cache-lifetime-ms',
    '300000',
  ])
  cleanup.defer(() => simulator.stop())
  const simulatorUrl = `http://127.0.0.1:${port}`
  const gateway = await startTiers(toConfig(`${simulatorUrl}/v1`), cleanup)
  const failed = Promise.race([simulator.exited, ...gateway.failures])
  await Promise.race([failed, waitUntilAnswers(`${gateway.baseUrl}/chat/completions`, {}, 'one')])
  const measured: CacheMeasurement[] = []
  for (const { routing, name, keys } of ways) {
    await fetch(`${simulatorUrl}/journal`, { method: 'DELETE' })
    const replayed = replayConversations({ ...shape, baseUrl: gateway.baseUrl, model: name })
    const found = await Promise.race([failed, replayed])
    measured.push({ ...found, routing, keys, busiest: (await mostCalls(simulatorUrl)) / found.requests })
  }
  return measured
}

function toConfig(baseUrl: string): object {
  return {
    providers: Object.fromEntries(
      ways.map(({ name, keys }) => [
        name,
        {
          type: 'openai-compatible',
          base_url: baseUrl,
          keys: Array.from({ length: keys }, (_, index) => ({ value: `bench-${name}-${index}` })),
        },
      ]),
    ),
    models: ways.map(({ name, settings }) => ({ name, ...settings, targets: [{ provider: name, model }] })),
  }
}

async function mostCalls(simulatorUrl: string): Promise<number> {
  const answer = await fetch(`${simulatorUrl}/journal?limit=0`)
  const { caches } = (await answer.json()) as { caches: Record<string, { calls: number }> }
  return Math.max(...Object.values(caches).map(({ calls }) => calls))
}
