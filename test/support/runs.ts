import { createRunId } from '#libs/core'
import type { ClaimResult, RunEnd, RunSpec } from '#libs/runs'

/** A run of the tenant `acme` for the provider `p`, as the API would accept it, unless told otherwise. */
export function makeRunSpec(fields: Partial<RunSpec> = {}): RunSpec {
  return {
    rid: createRunId('chatcmpl-'),
    tenant: 'acme',
    requestId: 'req_1',
    dialect: 'openai-chat',
    endpoint: '/v1/chat/completions',
    model: 'm',
    provider: 'p',
    target: 'm',
    stream: false,
    includeUsage: false,
    store: true,
    metadata: {},
    lane: 'standard',
    onDisconnect: 'continue',
    headers: {},
    createdAtMs: Date.now(),
    ...fields,
  }
}

/** How a run ends that said nothing. */
export function makeEnd(): RunEnd {
  return {
    outcome: 'completed',
    attempts: [],
    frames: 0,
    startedAtMs: null,
    firstFrameAtMs: null,
    endedAtMs: Date.now(),
  }
}

/** What a worker holds in memory of a run that it has claimed. */
export function makeClaim(spec: RunSpec, epoch: number): Extract<ClaimResult, { status: 'run' }> {
  return { status: 'run', spec, epoch, body: '{}', homeChannel: '', claimedAtMs: Date.now() }
}
