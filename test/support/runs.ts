import { createRunId } from '#libs/core'
import type { RunSpec } from '#libs/runs'

/** A run of the tenant `acme` for the provider `p`, as the API would accept it. */
export function makeRunSpec(): RunSpec {
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
  }
}
