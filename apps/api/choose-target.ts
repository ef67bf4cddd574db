import type { IncomingHttpHeaders } from 'node:http'
import type { Config, ModelConfig } from '#config'
import { GatewayError, isJsonObject } from '#libs/core'
import { isChatDialect, type Dialect, type RequestSummary } from '#libs/dialects'
import type { Target } from '#libs/routing'
import type { CacheRouting } from '#libs/runs'
import type { ApiDeps } from './deps.ts'

/** A request that looks for its target. */
export interface Asking {
  summary: RequestSummary
  tenant: string
  dialect: Dialect
  headers: IncomingHttpHeaders
  /** The parsed body, with all of the conversation. It is asked for only where it counts. */
  readBody: () => unknown
}

/** Where a request goes and, for a cache-aware model, why. Throws `model_not_found`. */
export async function chooseTarget(
  deps: ApiDeps,
  asking: Asking,
): Promise<{ target: Target; routing?: CacheRouting }> {
  const configured = configuredModel(deps, asking.summary)
  const { name: model = 'other', routing: strategy = 'none' } = configured ?? {}
  const chosen =
    configured?.routing === 'cache-aware' && deps.caches !== undefined
      ? await deps.caches.choose({
          candidates: deps.router.candidates(asking.summary.model),
          thresholds: configured.cacheAffinity,
          tenant: asking.tenant,
          session: readSession(asking),
          prompt: readPrompt(asking),
        })
      : { target: deps.router.choose(asking.summary.model) }
  const { target } = chosen
  deps.health.chose(target)
  deps.metrics.routingDecisions({ model, strategy, provider: target.provider }).inc()
  return chosen
}

/** What the file says of the model that serves a name; undefined for `provider/model`. */
export function configuredModel(
  { config, router }: { config: Config; router: ApiDeps['router'] },
  { model }: RequestSummary,
): ModelConfig | undefined {
  const servedBy = router.servedBy(model)
  return config.models.find(({ name }) => name === servedBy)
}

const longestSession = 256

/** By the header of ours, else by the member in which OpenAI's clients tell the same. */
function readSession({ headers, readBody }: Asking): string | undefined {
  const header = headers['x-session-id']
  if (header !== undefined) {
    if (typeof header === 'string' && header !== '' && header.length <= longestSession) return header
    throw new GatewayError('invalid_request', `An x-session-id has 1 to ${longestSession} characters.`, {
      param: 'x-session-id',
    })
  }
  const body = readBody()
  const key = isJsonObject(body) ? body.prompt_cache_key : undefined
  return typeof key === 'string' && key !== '' && key.length <= longestSession ? key : undefined
}

/** What can't be read may still be what the provider takes, and is then routed like any other. */
function readPrompt({ dialect, readBody, summary }: Asking) {
  if (!isChatDialect(dialect)) return undefined
  try {
    return dialect.decodeRequest(readBody(), summary.model)
  } catch {
    return undefined
  }
}
