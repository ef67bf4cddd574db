export type * from './operation.ts'
export { openaiVideoOperations } from './openai-videos.ts'
export { veoOperations } from './veo.ts'
