import { GatewayError, isRunId } from '#libs/core'
import { continueConversation, openaiResponses, previousNotFound, readPreviousId } from '#libs/dialects'
import { isEnded } from '#libs/runs'
import type { ApiDeps } from './deps.ts'
import { findRun, readAnswer, readBody, type FoundRun } from './find-run.ts'

/**
 * The request with the conversation that it continues in front of its input, so that it can go to any provider. An
 * id that is not one of ours stays: the provider may know it. Throws `previous_response_not_found`, and
 * `invalid_request` for a response that has no answer to continue.
 */
export async function withConversation(deps: ApiDeps, json: string, tenant: string): Promise<string> {
  const id = readPreviousId(json)
  if (id === undefined || !isRunId(id)) return json
  const found = await findPrevious(deps, id, tenant)
  const [body, answer] = await Promise.all([readBody(deps, found), readAnswer(deps, found)])
  if (body === undefined) throw previousNotFound(id)
  const continued = continueConversation(json, { body, answer })
  const { bodyLimitBytes } = deps.config.server
  if (Buffer.byteLength(continued) <= bodyLimitBytes) return continued
  throw new GatewayError(
    'request_too_large',
    `The conversation has grown beyond the ${bodyLimitBytes} bytes that this gateway takes. Begin a new one.`,
    { param: 'previous_response_id' },
  )
}

async function findPrevious(deps: ApiDeps, id: string, tenant: string): Promise<FoundRun> {
  const found = await findRun(deps, id, tenant).catch((error: unknown) => {
    throw GatewayError.from(error).code === 'response_not_found' ? previousNotFound(id) : error
  })
  const { run } = found
  if (run.spec.dialect !== openaiResponses.name) throw previousNotFound(id)
  if (isEnded(run) && run.end.outcome !== 'failed') return found
  const state = isEnded(run) ? 'has failed' : 'is still in progress'
  throw new GatewayError('invalid_request', `Previous response '${id}' ${state}: it can't be continued.`, {
    param: 'previous_response_id',
  })
}
