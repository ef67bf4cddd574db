import type { Progress, Run, RunEnd, RunSpec, RunState } from './run.ts'

/** The fields of a run's hash from which a {@link Run} is made, in the order that `fromFields` takes them. */
export const runFields = [
  'tenant',
  'state',
  'spec',
  'claimedAt',
  'cancel',
  'end',
  'deleted',
  'progress',
] as const

/** `undefined` for a run that is not there, was deleted, or belongs to another tenant than the one given. */
export function fromFields(fields: readonly (string | null)[], tenant?: string): Run | undefined {
  const [owner, state, spec, claimedAt, cancel, end, deleted, progress] = fields
  if (owner == null || spec == null || deleted != null) return undefined
  if (tenant !== undefined && owner !== tenant) return undefined
  return {
    spec: JSON.parse(spec) as RunSpec,
    state: state as RunState,
    claimedAtMs: claimedAt == null ? null : Number(claimedAt),
    cancelRequested: cancel != null,
    ...(progress != null && end == null && { progress: JSON.parse(progress) as Progress }),
    end: end == null ? null : (JSON.parse(end) as RunEnd),
  }
}
