import { isJsonObject } from '#libs/core'

/** A message of a request as OpenAI lists it: its content as a text, or as parts beside it. */
export interface StoredMessage {
  id: string
  [field: string]: unknown
}

/** The messages that a chat request begins with, in their order, under ids that stay the same. */
export function toStoredMessages(body: string, rid: string): StoredMessage[] {
  const request: unknown = JSON.parse(body)
  const messages = isJsonObject(request) && Array.isArray(request.messages) ? request.messages : []
  return messages.filter(isJsonObject).map((message, index) => {
    const hasParts = Array.isArray(message.content)
    return {
      ...message,
      id: `${rid}-${index}`,
      content: hasParts ? null : (message.content ?? null),
      content_parts: hasParts ? message.content : null,
    }
  })
}
