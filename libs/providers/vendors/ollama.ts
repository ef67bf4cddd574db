import { openaiCompatible } from '../openai-compatible.ts'
import { openaiRoutes } from '../openai-routes.ts'
import type { ProviderSpec } from '../provider.ts'

/** https://docs.ollama.com/api/openai-compatibility */
export const ollama: ProviderSpec = {
  ...openaiCompatible,
  type: 'ollama',
  defaultBaseUrl: 'http://127.0.0.1:11434/v1',
  environment: { baseUrl: 'OLLAMA_HOST', toBaseUrl },
  native: openaiRoutes('openai-chat', 'openai-completions', 'openai-embeddings'),
}

/** `OLLAMA_HOST` is `host`, `host:port` or a URL, and often the address to listen on, which is none to call. */
function toBaseUrl(host: string): string {
  const hasScheme = /^https?:\/\//.test(host)
  const url = URL.parse(hasScheme ? host : `http://${host}`)
  if (url === null) return host
  if (url.hostname === '0.0.0.0' || url.hostname === '[::]') url.hostname = '127.0.0.1'
  if (!hasScheme && !/:\d+(?:\/|$)/.test(host)) url.port = '11434'
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}/v1`
}
