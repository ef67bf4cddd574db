import Anthropic from '@anthropic-ai/sdk'
import { afterAll, beforeAll } from 'vitest'
import { startAnthropicUpstream, type AnthropicUpstream } from '../../support/anthropic-upstream.ts'
import { useGateway, type Gateway } from '../../support/gateway.ts'

export const prompt = { max_tokens: 100, messages: [{ role: 'user' as const, content: 'hi' }] }

export const headers = {
  'x-api-key': 'client-key',
  'anthropic-version': '2023-06-01',
  'content-type': 'application/json',
}

export interface AnthropicGateway {
  gateway: () => Gateway
  upstream: () => AnthropicUpstream
  /** Anthropic's own client, below the path. */
  client: (path?: string) => Anthropic
  /** What the upstream was asked last. */
  lastRequest: () => AnthropicUpstream['requests'][number] & { json: Record<string, unknown> }
}

/** One provider for each, since a key that is refused or limited rests for a while. */
const failStatuses = [400, 401, 429, 529]

/**
 * A gateway for all tests of a file: `smart` and `claude/…` are the upstream that replays fixtures, `failing-N` is
 * the same to be asked for `status-N`, `sim/…` answers by itself, and `upstream/…` speaks OpenAI's dialect.
 */
export function useAnthropicGateway(): AnthropicGateway {
  let upstream: AnthropicUpstream | undefined
  beforeAll(async () => {
    upstream = await startAnthropicUpstream()
  })
  afterAll(() => upstream?.close())

  const started = (): AnthropicUpstream => {
    if (upstream === undefined) throw new Error('The upstream runs only while tests do.')
    return upstream
  }
  const provider = (): object => ({
    type: 'anthropic',
    base_url: started().url,
    keys: [{ name: 'main', value: 'sk-ant-upstream' }],
  })
  const gateway = useGateway(() => ({
    config: {
      keys: [{ name: 'team', key: 'client-key', tenant: 'team' }],
      providers: {
        claude: provider(),
        sim: { type: 'simulator' },
        ...Object.fromEntries(failStatuses.map((status) => [`failing-${status}`, provider()])),
      },
      models: [{ name: 'smart', targets: [{ provider: 'claude', model: 'text' }] }],
      // Errors are told at once, and not after the wait that might mend them.
      general: { max_wait_ms: 0 },
    },
  }))

  return {
    gateway,
    upstream: started,
    client: (path = '') =>
      new Anthropic({ apiKey: 'client-key', baseURL: gateway().url + path, maxRetries: 0 }),
    lastRequest() {
      const request = started().requests.at(-1)
      if (request === undefined) throw new Error('The upstream was not asked.')
      return { ...request, json: JSON.parse(request.body) as Record<string, unknown> }
    },
  }
}

/** The error that Anthropic's client makes of the answer; fails if there is none. */
export async function failure(call: PromiseLike<unknown>): Promise<InstanceType<typeof Anthropic.APIError>> {
  const error: unknown = await Promise.resolve(call).catch((thrown: unknown) => thrown)
  if (error instanceof Anthropic.APIError) return error
  throw new Error('The call did not fail with an APIError.', { cause: error })
}
