import { isJsonObject } from '#libs/core'
import type { ApiDeps } from './deps.ts'
import { withConversation } from './conversation.ts'
import { prepare, type Prepared, type Submission } from './submit.ts'

/** {@link prepare} for a response, with the conversation that it continues. */
export async function prepareResponse(deps: ApiDeps, submission: Submission): Promise<Prepared> {
  const prepared = prepare(deps, submission)
  const { spec, json } = prepared
  const continued = await withConversation(deps, json, spec.tenant)
  // Whoever asks for a response in the background has said that he will not stay.
  const isUnattended = isJsonObject(submission.body) && submission.body.background === true
  return {
    ...prepared,
    spec: isUnattended ? { ...spec, onDisconnect: 'continue' } : spec,
    json: continued,
  }
}
