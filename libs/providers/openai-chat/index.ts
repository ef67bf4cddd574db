export { createChatAdapter } from './chat-adapter.ts'
