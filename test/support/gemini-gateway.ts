import { afterAll, beforeAll, beforeEach } from 'vitest'
import { useGateway, type Gateway } from './gateway.ts'
import { startGeminiUpstream, type GeminiUpstream } from './gemini-upstream.ts'

export const key = 'key-of-the-gateway-0123456789'
export const upstreamKey = 'AIza-key-of-the-upstream'
export const model = 'google/gemini-2.5-flash'

/** One gateway for all tests of a file, before an upstream that answers as each test wants it to. */
export function useGeminiGateway(): { gateway: () => Gateway; upstream: () => GeminiUpstream } {
  let upstream: GeminiUpstream | undefined
  const get = (): GeminiUpstream => {
    if (upstream === undefined) throw new Error('The upstream runs only while tests do.')
    return upstream
  }
  beforeAll(async () => {
    upstream = await startGeminiUpstream()
  })
  beforeEach(() => {
    get().calls.length = 0
    get().answers.length = 0
  })
  afterAll(() => upstream?.close())
  const gateway = useGateway(() => ({
    config: {
      keys: [{ key, tenant: 'acme' }],
      // Errors are told at once, and not after the wait that might mend them.
      general: { max_wait_ms: 0 },
      // A key that was limited or refused rests, so those that will be have providers of their own.
      providers: Object.fromEntries(
        ['google', 'limited', 'refused'].map((name) => [
          name,
          { type: 'gemini', base_url: get().baseUrl, keys: [{ value: upstreamKey }] },
        ]),
      ),
    },
  }))
  return { gateway, upstream: get }
}
