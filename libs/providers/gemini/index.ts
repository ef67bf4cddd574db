export { gemini } from './gemini.ts'
export { readGeminiError } from './read-error.ts'
