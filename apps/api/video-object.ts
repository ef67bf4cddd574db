import { toVideo } from '#libs/dialects'
import type { Run } from '#libs/runs'
import { jobStatus } from './job-resource.ts'

/** A video that is not completed: how far it is, or why it never will be. */
export function toVideoObject(run: Run, body: string | undefined): object {
  const { spec, end, progress } = run
  const status = jobStatus(run)
  return toVideo(body, {
    id: spec.rid,
    model: spec.model,
    createdAt: Math.floor(spec.createdAtMs / 1000),
    completedAt: end === null ? null : Math.floor(end.endedAtMs / 1000),
    // OpenAI has no word for one that was cancelled.
    status: status === 'cancelled' ? 'failed' : status,
    progress: progress?.operation?.percent ?? 0,
    error: end?.error === undefined ? null : { code: end.error.code, message: end.error.message },
    assets: [],
  })
}
