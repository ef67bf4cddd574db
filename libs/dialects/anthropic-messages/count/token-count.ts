import { GatewayError, isJsonObject } from '#libs/core'
import type { Dialect } from '../../dialect.ts'
import { anthropicMessages } from '../anthropic-messages.ts'
import { readPrompt } from '../request/read-request.ts'

/**
 * Anthropic's `POST /v1/messages/count_tokens`: a Messages body without what is for the answer, and a number for an
 * answer. Only a provider that speaks it can be asked, so `path` may name one; it never streams.
 */
export const anthropicTokenCount: Dialect = {
  ...anthropicMessages,
  name: 'anthropic-token-count',
  idPrefix: 'run_',
  readRequest: (body, path) => ({ ...readPrompt(body), ...path }),
  createObserver: () => ({
    observe: () => undefined,
    observeAnswer(json) {
      if (!isCount(json)) {
        throw new GatewayError('upstream_protocol_error', 'The provider answered without `input_tokens`.')
      }
      return json
    },
    ended: true,
    observation: { finish: undefined, usage: undefined },
  }),
  toFrames: (answer) => [answer],
}

function isCount(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json)
    return isJsonObject(value) && typeof value.input_tokens === 'number'
  } catch {
    return false
  }
}
