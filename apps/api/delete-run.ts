import { openaiVideos } from '#libs/dialects'
import { isEnded } from '#libs/runs'
import { cancelRun } from './cancel-run.ts'
import type { ApiDeps } from './deps.ts'
import { findRun, notFound } from './find-run.ts'

/**
 * Deletes a run: from now on nobody can read it. One that goes on is cancelled. Its text leaves Redis and the
 * archive, at once or when it is settled. Throws `response_not_found`.
 */
export async function deleteRun(deps: ApiDeps, rid: string, tenant: string): Promise<void> {
  const { run } = await findRun(deps, rid, tenant)
  if (!isEnded(run)) await cancelRun(deps, run.spec)
  const deleted = await deps.store.delete(run.spec.rid, tenant)
  if (deleted === 'marked') return
  if (run.spec.dialect === openaiVideos.name) await deps.media.erase(run.spec.rid, tenant)
  const erased = await deps.archive.erase(run.spec.rid, tenant)
  if (deleted === 'unknown' && !erased) throw notFound()
}
