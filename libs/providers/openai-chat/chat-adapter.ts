import { renameFields } from '#libs/core'
import type { NativeCall, ProviderAdapter } from '../provider.ts'
import { createDecoder } from './decoder.ts'
import { toChatBody, type ChatFlavour } from './request.ts'

export interface ChatAdapterOptions {
  /** Where the chat completions are, if not at OpenAI's path. */
  route?: (call: NativeCall) => string
  /** As `nativeFields` of the chat dialect. */
  fields?: Readonly<Record<string, string | null>>
}

/** Chat completions for the requests of other dialects. */
export function createChatAdapter(
  flavour: ChatFlavour,
  { route = () => '/chat/completions', fields = {} }: ChatAdapterOptions = {},
): ProviderAdapter {
  return {
    toRequest: (request, options = {}) => ({
      path: route({ model: request.model, stream: true, options }),
      body: renameFields(JSON.stringify(toChatBody(request, flavour)), fields),
    }),
    createDecoder,
  }
}
