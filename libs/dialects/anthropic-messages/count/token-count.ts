import { GatewayError, isJsonObject } from '#libs/core'
import type { Dialect } from '../../dialect.ts'
import { estimateTokens } from '../../estimate-tokens.ts'
import { anthropicMessages } from '../anthropic-messages.ts'
import { readPrompt } from '../request/read-request.ts'

/**
 * Anthropic's `POST /v1/messages/count_tokens`: a Messages body without what is for the answer, and a number for an
 * answer. Only a provider that speaks it can be asked, so `path` may name one; it never streams.
 */
export const anthropicTokenCount: Dialect = {
  name: 'anthropic-token-count',
  idPrefix: 'run_',
  isFree: true,
  forwardedHeaders: anthropicMessages.forwardedHeaders,
  requestIdHeader: anthropicMessages.requestIdHeader,
  readRequest: (body, path) => ({ ...readPrompt(body), ...path }),
  createObserver: () => ({
    observeAnswer(json) {
      if (!isCount(json)) {
        throw new GatewayError('upstream_protocol_error', 'The provider answered without `input_tokens`.')
      }
      return json
    },
    observation: { finish: undefined, usage: undefined },
  }),
  toNativeRequest: (json, context) => anthropicMessages.toNativeRequest(json, context),
  errorBody: (error) => anthropicMessages.errorBody(error),
  errorStatus: (error) => anthropicMessages.errorStatus?.(error) ?? error.status,
}

/** About how many tokens a request has, for models whose provider can't be asked. */
export function estimateAnthropicTokens(body: unknown): number {
  const { system, messages, tools } = isJsonObject(body) ? body : {}
  return estimateTokens(system, messages, tools)
}

function isCount(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json)
    return isJsonObject(value) && typeof value.input_tokens === 'number'
  } catch {
    return false
  }
}
