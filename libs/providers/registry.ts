import { anthropic } from './anthropic/index.ts'
import { bedrock } from './bedrock/index.ts'
import { gemini } from './gemini/index.ts'
import { openaiCompatible } from './openai-compatible.ts'
import { openai } from './openai.ts'
import type { ProviderSpec } from './provider.ts'
import { simulator } from './simulator/index.ts'
import * as vendors from './vendors/index.ts'
import { vertex } from './vertex/index.ts'

/** Every provider the gateway knows. A new one is a file of its own and a line here or, if it speaks as OpenAI does, in `vendors/index.ts`. */
export const providerSpecs: readonly ProviderSpec[] = [
  openai,
  anthropic,
  gemini,
  ...Object.values(vendors),
  bedrock,
  vertex,
  openaiCompatible,
  simulator,
]

/** `type` is the word in the configuration. */
export function findProviderSpec(type: string): ProviderSpec | undefined {
  return providerSpecs.find((spec) => spec.type === type)
}
