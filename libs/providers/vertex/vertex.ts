import { isJsonObject, type GatewayError } from '#libs/core'
import { readAnthropicError } from '../anthropic/read-error.ts'
import { readGeminiError } from '../gemini/read-error.ts'
import type { ProviderOptions, ProviderSpec } from '../provider.ts'
import { claudeFields, vertexAdapter } from './adapter.ts'
import { checkVertexKey } from './credentials.ts'
import { vertexRoutes } from './routes.ts'
import { createVertexSigner } from './sign.ts'

/**
 * Gemini and Claude on Google Cloud's Vertex AI, each in its maker's words.
 * https://docs.cloud.google.com/vertex-ai/generative-ai/docs/reference/rest and
 * https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude
 */
export const vertex: ProviderSpec = {
  type: 'vertex',
  pricesName: 'google',
  defaultBaseUrl: 'https://{host}/v1/projects/{project}/locations/{location}',
  toBaseUrlParts: ({ location = 'global' }: ProviderOptions) => ({
    host: hosts.get(location) ?? `${location}-aiplatform.googleapis.com`,
  }),
  needsKey: false,
  // As Gemini and Claude elsewhere.
  promptCache: { lifetimeMs: 5 * 60_000, minTokens: 2048 },
  keyForms:
    'a service account as JSON, the path of its file, or an access token; none for what Google’s SDK finds',
  checkKey: checkVertexKey,
  environment: { key: 'GOOGLE_APPLICATION_CREDENTIALS' },
  options: {
    project: { description: 'The id of the project', variable: 'GOOGLE_CLOUD_PROJECT', required: true },
    location: {
      description: 'A region such as `europe-west1`, `us`, `eu` or `global`; it makes the `{host}`',
      variable: 'GOOGLE_CLOUD_LOCATION',
      default: 'global',
    },
  },
  native: vertexRoutes,
  nativeFields: { 'anthropic-messages': { model: null } },
  // Google's own count of Claude's tokens: https://github.com/vercel/ai/issues/11309
  ownEvents: ['vertex_event'],
  nativeDefaults: { 'anthropic-messages': claudeFields },
  authorize: (token) => ({ authorization: `Bearer ${token}` }),
  createSigner: () => createVertexSigner(),
  callHeaders: ['anthropic-beta'],
  readError,
  adapter: vertexAdapter,
}

const hosts: ReadonlyMap<string, string> = new Map([
  ['global', 'aiplatform.googleapis.com'],
  ['us', 'aiplatform.us.rep.googleapis.com'],
  ['eu', 'aiplatform.eu.rep.googleapis.com'],
])

/** Google tells errors of its own before any model, Claude's too; what the model says of a request is Anthropic's. */
function readError(status: number, body: string): GatewayError {
  return isAnthropics(body) ? readAnthropicError(status, body) : readGeminiError(status, body)
}

function isAnthropics(body: string): boolean {
  try {
    const value: unknown = JSON.parse(body)
    return isJsonObject(value) && value.type === 'error'
  } catch {
    return false
  }
}
