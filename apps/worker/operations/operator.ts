import type { Dialect } from '#libs/dialects'
import type {
  CallTimeouts,
  ConnectedProvider,
  OperationFile,
  OperationState,
  ProviderSpec,
} from '#libs/providers'
import type { RunSpec } from '#libs/runs'

/** Begins work at a provider, asks how far it is, and fetches what it has made: over HTTP, or inside this process. */
export interface Operator {
  start(
    body: Record<string, unknown>,
    model: string,
  ): Promise<{ operation: string; headers?: Readonly<Record<string, string>> }>
  /** `afterMs`: when the provider wants to be asked again, if it tells. */
  look(operation: string): Promise<{ state: OperationState; afterMs: number | undefined }>
  read(file: OperationFile): Promise<{ type: string; pieces: AsyncIterable<Uint8Array> }>
}

/** How it is reached. */
export interface OperatorCall {
  spec: Pick<RunSpec, 'rid'>
  key: string | undefined
  timeouts?: CallTimeouts | undefined
  signal: AbortSignal
}

const largestFileBytes = 2 * 1024 * 1024 * 1024

/** `undefined` where the provider answers this dialect at once, or not at all. */
export function openOperator(
  { spec, connected }: { spec: ProviderSpec; connected: ConnectedProvider | undefined },
  dialect: Dialect,
  { spec: { rid }, key, timeouts, signal }: OperatorCall,
): Operator | undefined {
  const builtIn = spec.builtIn?.operations?.[dialect.name]
  if (builtIn !== undefined) {
    return {
      start: async (body, model) => ({ operation: builtIn.start(body, model) }),
      look: async (operation) => ({ state: builtIn.look(operation), afterMs: undefined }),
      async read(file) {
        const { type, bytes } = builtIn.read(file)
        return { type, pieces: toPieces(bytes) }
      },
    }
  }
  const adapter = spec.operations?.[dialect.name]
  if (adapter === undefined || connected === undefined) return undefined
  const call = { key, rid, timeouts, method: 'GET', body: '' } as const
  return {
    async start(body, model) {
      const answer = await connected.send({ ...adapter.toStart(body, model), key, rid, timeouts }, signal)
      const operation = adapter.readStarted(await answer.readText())
      return { operation, headers: answer.headers }
    },
    async look(operation) {
      const answer = await connected.send({ ...call, path: adapter.toPath(operation) }, signal)
      const state = adapter.readState(await answer.readText(), operation)
      return { state, afterMs: readAfterMs(answer.headers['openai-poll-after-ms']) }
    },
    async read({ path }) {
      const maxResponseBytes = largestFileBytes
      const answer = await connected.send({ ...call, path, accept: '*/*', maxResponseBytes }, signal)
      return { type: answer.headers['content-type'] ?? '', pieces: answer.readPieces() }
    },
  }
}

function readAfterMs(header: string | undefined): number | undefined {
  return /^\d{1,6}$/.test(header ?? '') ? Number(header) : undefined
}

async function* toPieces(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}
