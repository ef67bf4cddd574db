import type { ProviderAdapter } from '../provider.ts'
import { createDecoder } from './decoder.ts'
import { toChatBody, type ChatFlavour } from './request.ts'

/** Chat completions for the requests of other dialects. */
export function createChatAdapter(flavour: ChatFlavour): ProviderAdapter {
  return {
    toRequest: (request) => ({
      path: '/chat/completions',
      body: JSON.stringify(toChatBody(request, flavour)),
    }),
    createDecoder,
  }
}
