import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { createTaskWorker } from '#libs/jobs'
import { connectRedis, type Redis } from '#libs/redis'
import { openObjectStore, type ObjectStore } from '#libs/storage'
import { createWebhooks, webhookQueue, type Webhooks, type WebhooksOptions } from '#libs/webhooks'
import { startTestRedis, type TestRedis } from '../support/redis.ts'
import { startReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts'

export interface WebhookLab {
  redis: Redis
  objects: ObjectStore
  server: TestRedis
  receiver(): Promise<WebhookReceiver>
  /** With a worker that delivers, unless `works` is false; all ports are allowed that receivers have now. */
  open(options?: Partial<WebhooksOptions['settings']> & OpenOptions): Webhooks
}

interface OpenOptions {
  works?: boolean
  onAttempt?: WebhooksOptions['onAttempt']
  onDropped?: WebhooksOptions['onDropped']
  onError?: WebhooksOptions['onError']
}

/** Webhooks on a Redis and a directory of their own, without the rest of the gateway. */
export function useWebhooks(): () => WebhookLab {
  let lab: WebhookLab | undefined
  const ending: (() => Promise<unknown>)[] = []
  const closing: (() => Promise<unknown>)[] = []
  const run = async (list: (() => Promise<unknown>)[]): Promise<void> => {
    for (const one of list.splice(0).toReversed()) await one()
  }

  beforeAll(async () => {
    const server = await startTestRedis()
    closing.push(() => server.close())
    const [redis, jobs] = await Promise.all([
      connectRedis(server.url, 'worker'),
      connectRedis(server.url, 'jobs'),
    ])
    closing.push(async () => [redis, jobs].forEach((connection) => connection.disconnect()))
    const directory = await mkdtemp(join(tmpdir(), 'millrace-webhooks-'))
    closing.push(() => rm(directory, { recursive: true }))
    const objects = await openObjectStore({ driver: 'directory', path: directory })
    const receivers: WebhookReceiver[] = []
    lab = {
      redis,
      objects,
      server,
      async receiver() {
        const started = await startReceiver()
        receivers.push(started)
        ending.push(() => started.close())
        return started
      },
      open({ works = true, onError = report, onAttempt, onDropped, ...settings } = {}) {
        const webhooks = createWebhooks({
          redis,
          jobs,
          objects,
          onError,
          ...(onAttempt && { onAttempt }),
          ...(onDropped && { onDropped }),
          settings: {
            allowHttp: true,
            allowPrivate: true,
            ports: receivers.map(({ port }) => port),
            scheduleMs: [50, 100, 200],
            timeoutMs: 1_000,
            disableAfterMs: 60_000,
            parallel: 4,
            keptDeliveries: 1_000,
            ...settings,
          },
        })
        ending.push(() => webhooks.close())
        if (works) {
          const process = webhooks.deliver
          const worker = createTaskWorker({
            name: webhookQueue,
            redis: jobs,
            concurrency: 64,
            process,
            onError,
          })
          ending.push(() => worker.close(0))
        }
        return webhooks
      },
    }
  })
  afterEach(async () => {
    await run(ending)
    await lab?.server.flush()
  })
  afterAll(() => run(closing))
  return () => {
    if (lab === undefined) throw new Error('There are webhooks only while tests run.')
    return lab
  }
}

/** A test that expects no trouble shows what there was. */
function report(error: unknown): void {
  process.stderr.write(`${String(error)}\n`)
}
