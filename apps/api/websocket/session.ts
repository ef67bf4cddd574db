import type { IncomingHttpHeaders } from 'node:http'
import type { GatewayError } from '#libs/core'
import type { RunEnd } from '#libs/runs'
import type { ApiDeps } from '../deps.ts'
import { logFailure, toGatewayError } from '../error-handler.ts'
import { observeRequest } from '../observe-request.ts'
import type { ReadJson } from '../read-json.ts'
import type { Connection } from './connection.ts'

/** What a protocol needs for the messages of one connection. */
export interface Session {
  readonly deps: ApiDeps
  readonly connection: Connection
  readonly readJson: ReadJson
  /** The path under which its runs are created over HTTP. */
  readonly endpoint: string
  /** Of the request that opened it: what its runs take from there. */
  readonly headers: IncomingHttpHeaders
  readonly newRequestId: () => string
}

export interface Exchange {
  tenant: string
  requestId: string
  /** Tells what is wrong. */
  refuse: (error: GatewayError) => void
}

/** Answers a message that asks for a run. Never rejects: what is wrong is told, logged and counted as over HTTP. */
export async function answerMessage(
  { deps, connection, endpoint }: Session,
  { tenant, requestId, refuse }: Exchange,
  work: () => Promise<RunEnd | undefined>,
): Promise<void> {
  const startedAtMs = performance.now()
  let status = 200
  try {
    await connection.occupy(async () => {
      const end = await work()
      status = end?.error?.status ?? 200
    })
  } catch (thrown) {
    const error = toGatewayError(thrown)
    status = error.status
    logFailure(deps.logger, error, { requestId, path: endpoint })
    refuse(error)
  }
  observeRequest(deps.metrics, { endpoint, tenant, status, startedAtMs })
}
