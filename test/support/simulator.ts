import { createSimulatorServer } from '../../apps/simulator/server.ts'
import type { SimulatorServerOptions } from '../../apps/simulator/server.ts'
import type { JournalSnapshot } from '../../apps/simulator/journal.ts'

export interface TestSimulator {
  /** Without a path: an OpenAI client takes `${url}/v1`. */
  url: string
  /** The last calls, oldest first, and what they sum up to. */
  journal(limit?: number): JournalSnapshot
  /** Resolves when no call is in flight, so that all that was sent is in the journal. */
  idle(): Promise<void>
  reset(): void
  close(): Promise<void>
}

/** An upstream on a free port of 127.0.0.1, in this process. Tokens come without a gap unless told otherwise. */
export async function startSimulator(options: SimulatorServerOptions = {}): Promise<TestSimulator> {
  const server = createSimulatorServer({ ...options, defaults: { gapMs: 0, ...options.defaults } })
  return {
    url: await server.listen(0, '127.0.0.1'),
    journal: (limit) => server.journal.snapshot(limit),
    idle: () => server.journal.idle(),
    reset: () => server.journal.reset(),
    close: () => server.close(),
  }
}
