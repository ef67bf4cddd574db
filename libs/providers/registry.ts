import { openaiCompatible } from './openai-compatible.ts'
import { openai } from './openai.ts'
import type { ProviderSpec } from './provider.ts'

/** Every provider the gateway knows. A new one is a file of its own and a line here. */
export const providerSpecs: readonly ProviderSpec[] = [openai, openaiCompatible]

/** `type` is the word in the configuration. */
export function findProviderSpec(type: string): ProviderSpec | undefined {
  return providerSpecs.find((spec) => spec.type === type)
}
