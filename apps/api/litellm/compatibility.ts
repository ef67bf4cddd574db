import type { Config } from '#config'
import { toDollars, type ErrorCode, type ErrorRecord } from '#libs/core'
import { findProviderSpec } from '#libs/providers'
import type { RunEnd, RunOpening, RunSpec } from '#libs/runs'
import packageJson from '../../../package.json' with { type: 'json' }
import type { Caller } from '../authenticate.ts'

/** What answers have beside our own words, so that clients of LiteLLM find what they look for. */
export interface Compatibility {
  headers(spec: RunSpec, told: { opening?: RunOpening | undefined; end?: RunEnd | undefined }): Headers
  callerHeaders(caller: Caller): Headers
  /** The status of an error, where LiteLLM has another one than ours. */
  status(error: ErrorRecord): number | undefined
}

type Headers = Record<string, string>

/** Undefined unless the configuration asks for it. */
export function createCompatibility(config: Config): Compatibility | undefined {
  if (config.general.compat === undefined) return undefined
  const addresses = new Map(
    config.providers.map(({ name, type, baseUrl }) => {
      return [name, baseUrl ?? findProviderSpec(type)?.defaultBaseUrl]
    }),
  )
  return {
    status: ({ code, provider, status }) => {
      // The provider's own answer to a name that we did not know is LiteLLM's too.
      if (code === 'model_not_found') return provider === undefined ? 400 : 404
      return code === 'upstream_error' && status === 502 ? 500 : statuses[code]
    },
    callerHeaders({ limits }) {
      return withoutUndefined({
        'x-litellm-version': packageJson.version,
        'x-litellm-key-rpm-limit': limits?.requestsPerMinute,
        'x-litellm-key-tpm-limit': limits?.tokensPerMinute,
      })
    },
    headers(spec, { opening, end }) {
      const provider = opening?.provider ?? spec.provider
      return withoutUndefined({
        'x-litellm-call-id': spec.rid,
        'x-litellm-model-id': `${provider}/${opening?.target ?? spec.target}`,
        // A header holds no other characters than these.
        'x-litellm-model-group': /^[\x20-\x7E]+$/.test(spec.model) ? spec.model : undefined,
        'x-litellm-model-api-base': addresses.get(provider),
        'x-litellm-attempted-retries': opening && Math.max(0, opening.attempts - 1),
        'x-litellm-attempted-fallbacks': opening && Number(opening.fallback !== undefined),
        ...(end !== undefined && toEndHeaders(spec, end)),
      })
    },
  }
}

const statuses: Readonly<Partial<Record<ErrorCode, number>>> = {
  permission_denied: 401,
  upstream_auth_failed: 401,
  upstream_timeout: 408,
  deadline_exceeded: 408,
  sync_wait_exceeded: 408,
  upstream_unreachable: 500,
  upstream_protocol_error: 500,
  upstream_incomplete: 500,
  upstream_outcome_unknown: 500,
  worker_lost: 500,
}

function toEndHeaders({ createdAtMs }: RunSpec, { attempts, cost, endedAtMs }: RunEnd) {
  const durationMs = Math.max(0, endedAtMs - createdAtMs)
  const calledMs = attempts.reduce((sum, attempt) => sum + attempt.durationMs, 0)
  const nanodollars = cost?.nanodollars
  return {
    'x-litellm-response-cost': typeof nanodollars === 'number' ? toDollars(nanodollars) : undefined,
    'x-litellm-response-duration-ms': durationMs,
    'x-litellm-overhead-duration-ms': Math.max(0, durationMs - calledMs),
  }
}

function withoutUndefined(headers: Readonly<Record<string, string | number | undefined>>): Headers {
  const told = Object.entries(headers).filter(([, value]) => value !== undefined)
  return Object.fromEntries(told.map(([name, value]) => [name, String(value)]))
}
