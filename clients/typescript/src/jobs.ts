import { MillraceError } from './errors.ts'

/** A run as the jobs API tells it; `docs/http-api.md` says what each field means. */
export interface Job {
  id: string
  status: 'queued' | 'in_progress' | 'completed' | 'failed' | 'cancelled'
  endpoint: string
  model: string
  created_at: number
  started_at: number | null
  completed_at: number | null
  queue_position?: number
  last_sequence_number: number | null
  metadata: Record<string, string>
  request_id: string
  response?: { status_code: number; request_id: string; body: unknown } | null
  error: { code: string; message: string } | null
}

/** Work that is handed in now and collected later, by whatever process. */
export interface Jobs {
  /** Hands a request in, on any path of the API that creates a run. The same `idempotencyKey` gives the same job. */
  submit(path: string, body: object, options?: { idempotencyKey?: string }): Promise<Job>
  get(id: string): Promise<Job>
  /**
   * Waits until the job has ended, in whatever way, through lost connections. Throws the signal's reason, or a
   * {@link MillraceError} when the gateway does not know the job.
   */
  wait(id: string, options?: { signal?: AbortSignal }): Promise<Job>
  /** The answer, as the call would have got it. Throws a {@link MillraceError} if there is none yet, or it failed. */
  result(id: string): Promise<Response>
  /** Resolves with the job as it is then; one that had ended stays as it was. */
  cancel(id: string): Promise<Job>
  delete(id: string): Promise<void>
  /** Newest first, without their answers. */
  list(options?: { status?: Job['status'] }): AsyncGenerator<Job, void>
}

/** Sends one request; throws what is no success. */
export type Send = (
  path: string,
  init?: { method?: string; headers?: Record<string, string>; body?: string; signal?: AbortSignal },
) => Promise<Response>

const longestWaitSeconds = 50
const restMs = 1_000

export function createJobs(send: Send): Jobs {
  const read = async (path: string, init?: Parameters<Send>[1]): Promise<Job> =>
    (await (await send(path, init)).json()) as Job
  const at = (id: string): string => `/v1/jobs/${encodeURIComponent(id)}`

  return {
    submit: (path, body, { idempotencyKey = crypto.randomUUID() } = {}) =>
      read(path, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          prefer: 'respond-async',
          'idempotency-key': idempotencyKey,
        },
        body: JSON.stringify(body),
      }),
    get: (id) => read(at(id)),
    async wait(id, { signal } = {}) {
      for (;;) {
        const init = {
          headers: { prefer: `wait=${longestWaitSeconds}` },
          ...(signal !== undefined && { signal }),
        }
        const job = await read(at(id), init).catch((error: unknown) => afterPassing(error, signal))
        if (job !== undefined && job.completed_at !== null) return job
      }
    },
    result: (id) => send(`${at(id)}/result`),
    cancel: (id) => read(`${at(id)}/cancel`, { method: 'POST' }),
    async delete(id) {
      await send(at(id), { method: 'DELETE' })
    },
    async *list({ status } = {}) {
      for (let after = ''; ;) {
        const query = new URLSearchParams({ limit: '100', ...(status !== undefined && { status }) })
        if (after !== '') query.set('after', after)
        const page = (await (await send(`/v1/jobs?${query.toString()}`)).json()) as JobPage
        yield* page.data
        if (!page.has_more || page.last_id === null) return
        after = page.last_id
      }
    },
  }
}

interface JobPage {
  data: Job[]
  has_more: boolean
  last_id: string | null
}

/** Rests after a failure that may pass; throws every other. */
async function afterPassing(error: unknown, signal: AbortSignal | undefined): Promise<undefined> {
  if (signal?.aborted === true) throw error
  if (error instanceof MillraceError && error.status < 500 && error.status !== 429) throw error
  await new Promise((resolve) => setTimeout(resolve, restMs))
}
