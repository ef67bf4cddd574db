import { isJsonObject } from '#libs/core'
import type { ApiDeps } from './deps.ts'
import { withConversation } from './conversation.ts'
import { prepare, type Prepared, type Submission } from './submit.ts'

/** {@link prepare} for a response, with the conversation that it continues. */
export async function prepareResponse(deps: ApiDeps, submission: Submission): Promise<Prepared> {
  const { caller, body } = submission
  const prepared = await prepare(deps, {
    ...submission,
    toContinued: (json) => withConversation(deps, json, caller.tenant),
  })
  // Whoever asks for a response in the background has said that he will not stay.
  const isUnattended = isJsonObject(body) && body.background === true
  return isUnattended ? { ...prepared, spec: { ...prepared.spec, onDisconnect: 'continue' } } : prepared
}
