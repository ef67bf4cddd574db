export * from './dialect.ts'
export * from './registry.ts'
export { openaiChat } from './openai-chat/openai-chat.ts'
