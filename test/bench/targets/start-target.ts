import { simulatorProgram, startMillrace } from './millrace.ts'
import { startPortkey } from './portkey.ts'
import { findFreePort, startProcess, waitUntilAnswers } from '../processes.ts'

/** What is measured: a gateway, or nothing, in front of a simulator of its own. */
export interface Target {
  name: TargetName
  /** Ends in /v1. */
  baseUrl: string
  /** Where chat completions are asked for. */
  url: string
  simulatorUrl: string
  headers: Record<string, string>
  /** Process ids by the part that they play. */
  roles: Record<string, number>
  /** Rejects when one of the processes ends by itself. */
  failed: Promise<never>
  stop(): Promise<void>
}

/** Starts in front of the simulator at `baseUrl` and hands requests for the models on to it. */
export type StartGateway = (
  simulator: { baseUrl: string; models: string[]; streams: number },
  cleanup: AsyncDisposableStack,
) => Promise<Gateway>

export interface Gateway {
  /** Ends in /v1. */
  baseUrl: string
  headers: Record<string, string>
  roles: Record<string, number>
  /** Each rejects when a process ends by itself. */
  failures: Promise<never>[]
}

export const targetNames = ['direct', 'millrace', 'portkey'] as const
export type TargetName = (typeof targetNames)[number]

const gateways: Record<TargetName, StartGateway> = {
  direct: ({ baseUrl }) => Promise.resolve({ baseUrl, headers: {}, roles: {}, failures: [] }),
  millrace: startMillrace,
  portkey: startPortkey,
}

/**
 * `streams` is how many will be open at once, 0 for whole answers. Resolves when the last of the models
 * has answered a first request. Its caller stops it.
 */
export async function startTarget(name: TargetName, models: string[], streams: number): Promise<Target> {
  await using cleanup = new AsyncDisposableStack()
  const port = await findFreePort()
  const simulator = startProcess('simulator', process.execPath, [simulatorProgram, '--port', String(port)])
  cleanup.defer(() => simulator.stop())
  const simulatorBaseUrl = `http://127.0.0.1:${port}/v1`
  const gateway = await gateways[name]({ baseUrl: simulatorBaseUrl, models, streams }, cleanup)

  const url = `${gateway.baseUrl}/chat/completions`
  const headers = { authorization: 'Bearer bench', ...gateway.headers }
  const failed = Promise.race([simulator.exited, ...gateway.failures])
  await Promise.race([failed, waitUntilAnswers(url, headers, models.at(-1) ?? '')])
  const running = cleanup.move()
  return {
    name,
    baseUrl: gateway.baseUrl,
    url,
    simulatorUrl: `${simulatorBaseUrl}/chat/completions`,
    headers,
    roles: { ...gateway.roles, simulator: simulator.pid },
    failed,
    stop: () => running.disposeAsync(),
  }
}
