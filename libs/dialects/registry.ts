import type { Dialect } from './dialect.ts'
import { openaiChat } from './openai-chat/openai-chat.ts'

/** Every dialect by its name. To add one: its folder, and a line here. */
export const dialects: Readonly<Record<string, Dialect>> = {
  [openaiChat.name]: openaiChat,
}

/** `undefined` for a name that no dialect has; a stored name may be of a newer version's dialect. */
export function findDialect(name: string): Dialect | undefined {
  return Object.hasOwn(dialects, name) ? dialects[name] : undefined
}
