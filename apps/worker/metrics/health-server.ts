import { createServer } from 'node:http'
import { once } from 'node:events'
import type { JobWorker } from '#libs/jobs'
import type { WorkerDeps } from '../deps.ts'

/** A blocking wait for a job returns every five seconds. Past this, its connection is dead, whatever it says. */
const silentMs = 12_000

/**
 * Shows `/metrics` and `/healthz` of a worker, which has no other HTTP. Resolves when it listens. A worker is well
 * as long as Redis answers it: one whose connections are open and silent takes no jobs and does not know it.
 */
export async function startHealthServer(
  { metrics, held }: WorkerDeps,
  workers: readonly JobWorker[],
  address: { host: string; port: number },
): Promise<{ close(): void }> {
  const server = createServer((request, response) => {
    const answer = (status: number, type: string, text: string): void => {
      response.writeHead(status, { 'content-type': type }).end(text)
    }
    if (request.url === '/metrics') {
      metrics.render().then(
        (text) => answer(200, metrics.contentType, text),
        () => answer(500, 'text/plain', 'The metrics could not be read.\n'),
      )
    } else if (request.url === '/healthz' || request.url === '/readyz') {
      const heardAtMs = Math.min(held.beatAtMs, ...workers.map((worker) => worker.heardAtMs))
      const isReady = performance.now() - heardAtMs < silentMs
      answer(
        isReady ? 200 : 503,
        'application/json',
        JSON.stringify({ status: isReady ? 'ok' : 'redis_unreachable' }),
      )
    } else {
      answer(404, 'text/plain', 'Ask for /metrics or /healthz.\n')
    }
  })
  server.listen(address.port, address.host)
  await once(server, 'listening')
  return {
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
