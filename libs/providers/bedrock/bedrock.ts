import type { ProviderSpec } from '../provider.ts'
import { createDecoder } from './decoder.ts'
import { readBedrockError } from './read-error.ts'
import { toConverseBody } from './request.ts'
import { createBedrockSigner } from './sign.ts'

/**
 * Every model of Amazon Bedrock by its Converse API.
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
 */
export const bedrock: ProviderSpec = {
  type: 'bedrock',
  pricesName: 'aws',
  defaultBaseUrl: 'https://bedrock-runtime.{region}.amazonaws.com',
  needsKey: false,
  // https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
  promptCache: { lifetimeMs: 5 * 60_000, minTokens: 1024 },
  keyForms: 'of Bedrock, `id:secret` or `id:secret:token` of AWS, or none for what the AWS SDK finds',
  environment: { key: 'AWS_BEARER_TOKEN_BEDROCK' },
  options: {
    region: { description: 'The region of AWS', variable: 'AWS_REGION', default: 'us-east-1' },
    guardrail_id: { description: 'The guardrail of every request; a client cannot choose another' },
    guardrail_version: { description: 'Its version', default: 'DRAFT' },
  },
  native: {},
  authorize: (key) => ({ authorization: `Bearer ${key}` }),
  createSigner: createBedrockSigner,
  readError: readBedrockError,
  adapter: {
    toRequest: (request, options) => ({
      path: `/model/${encodeURIComponent(request.model)}/converse-stream`,
      body: JSON.stringify(toConverseBody(request, options)),
    }),
    createDecoder,
  },
}
