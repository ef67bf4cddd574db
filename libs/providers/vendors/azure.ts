import { createChatAdapter } from '../openai-chat/index.ts'
import { openaiCompatible } from '../openai-compatible.ts'
import { openaiPaths } from '../openai-routes.ts'
import type { NativeCall, ProviderSpec } from '../provider.ts'

const chatRoute = toRoute(openaiPaths['openai-chat'])

/**
 * OpenAI's models at Azure. The base URL is the resource's endpoint and the model is the deployment's name. Without
 * `api_version` it is Azure's v1 API; with one, the older API that has the deployment in its path.
 * https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
 */
export const azure: ProviderSpec = {
  ...openaiCompatible,
  type: 'azure',
  pricesName: 'azure',
  needsKey: true,
  // https://learn.microsoft.com/azure/ai-foundry/openai/how-to/prompt-caching
  promptCache: { lifetimeMs: 10 * 60_000, minTokens: 1024 },
  environment: {
    key: 'AZURE_OPENAI_API_KEY',
    baseUrl: 'AZURE_OPENAI_ENDPOINT',
    toBaseUrl: (endpoint) => endpoint.replace(/\/openai(?:\/v1)?\/*$/, ''),
  },
  options: {
    api_version: {
      description:
        'The version of the API by deployments, such as `2024-10-21`; without it the v1 API is called',
      variable: 'OPENAI_API_VERSION',
    },
  },
  native: {
    'openai-chat': chatRoute,
    'openai-completions': toRoute(openaiPaths['openai-completions']),
    'openai-embeddings': toRoute(openaiPaths['openai-embeddings']),
    'openai-images': toRoute(openaiPaths['openai-images']),
    'openai-speech': toRoute(openaiPaths['openai-speech']),
    'openai-transcriptions': toRoute(openaiPaths['openai-transcriptions']),
    'openai-translations': toRoute(openaiPaths['openai-translations']),
  },
  authorize: (key) => ({ 'api-key': key }),
  adapter: createChatAdapter('openai', { route: chatRoute }),
}

function toRoute(path: string): (call: NativeCall) => string {
  return ({ model, options }) => {
    const version = options.api_version
    if (version === undefined) return `/openai/v1${path}`
    return `/openai/deployments/${encodeURIComponent(model)}${path}?api-version=${version}`
  }
}
