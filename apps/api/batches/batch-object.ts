import { hasEnded, type Batch, type BatchState, type BatchStatus } from '#libs/batches'
import { GatewayError } from '#libs/core'

/** A batch in OpenAI's words. Those that were cancelled or expired before they were answered count as failed. */
export function toBatchObject({ spec, state, cancelAtMs }: Batch): { id: string } & Record<string, unknown> {
  const { counts, usage } = state
  const endedAt = (status: BatchStatus): number | null =>
    state.status === status ? toSeconds(state.endedAtMs) : null
  return {
    id: spec.id,
    object: 'batch',
    endpoint: spec.endpoint,
    input_file_id: spec.input.id,
    errors: state.problems.length === 0 ? null : { object: 'list', data: state.problems },
    completion_window: spec.completionWindow,
    status: statusOf(state, cancelAtMs),
    output_file_id: state.output?.id ?? null,
    error_file_id: state.errors?.id ?? null,
    created_at: toSeconds(spec.createdAtMs),
    in_progress_at: toSeconds(state.inProgressAtMs),
    expires_at: toSeconds(spec.expiresAtMs),
    finalizing_at: toSeconds(state.finalizingAtMs),
    completed_at: endedAt('completed'),
    failed_at: endedAt('failed'),
    expired_at: endedAt('expired'),
    cancelling_at: toSeconds(cancelAtMs),
    cancelled_at: endedAt('cancelled'),
    request_counts: {
      total: state.total,
      completed: counts.completed,
      failed: counts.failed + counts.cancelled + counts.expired,
    },
    usage: {
      input_tokens: usage.input,
      input_tokens_details: { cached_tokens: usage.cached },
      output_tokens: usage.output,
      output_tokens_details: { reasoning_tokens: usage.reasoning },
      total_tokens: usage.input + usage.output,
    },
    metadata: spec.metadata,
  }
}

function statusOf(state: BatchState, cancelAtMs: number | undefined): string {
  const isCancelling =
    cancelAtMs !== undefined &&
    !hasEnded(state) &&
    (state.ending === undefined || state.ending === 'cancelled')
  return isCancelling ? 'cancelling' : state.status
}

/** A batch in Anthropic's words, where nothing is counted before the end. */
export function toMessageBatch({ spec, state, cancelAtMs }: Batch): { id: string } & Record<string, unknown> {
  const { counts } = state
  const isEnded = hasEnded(state)
  const counted = isEnded ? counts : { completed: 0, failed: 0, cancelled: 0, expired: 0 }
  return {
    id: spec.id,
    type: 'message_batch',
    processing_status: processingStatus(isEnded, cancelAtMs),
    request_counts: {
      processing: isEnded ? 0 : state.total,
      succeeded: counted.completed,
      errored: counted.failed,
      canceled: counted.cancelled,
      expired: counted.expired,
    },
    created_at: toIso(spec.createdAtMs),
    expires_at: toIso(spec.expiresAtMs),
    ended_at: toIso(state.endedAtMs),
    cancel_initiated_at: toIso(cancelAtMs),
    archived_at: null,
    // Below the client's own base URL, whatever stands between it and this process.
    results_url: isEnded ? `/v1/messages/batches/${spec.id}/results` : null,
  }
}

function processingStatus(isEnded: boolean, cancelAtMs: number | undefined): string {
  if (isEnded) return 'ended'
  return cancelAtMs === undefined ? 'in_progress' : 'canceling'
}

export function batchNotFound(id: string): GatewayError {
  return new GatewayError('batch_not_found', `There is no batch ${id.slice(0, 100)}.`, { param: 'id' })
}

function toSeconds(timeMs: number | undefined): number | null {
  return timeMs === undefined ? null : Math.floor(timeMs / 1000)
}

function toIso(timeMs: number | undefined): string | null {
  return timeMs === undefined ? null : new Date(timeMs).toISOString()
}
