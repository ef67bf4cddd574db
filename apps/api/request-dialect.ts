import type { FastifyRequest } from 'fastify'
import { anthropicMessages, gemini, openaiChat, unifiedBlocks, type Dialect } from '#libs/dialects'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The dialect that a route speaks, and in which its errors are told. */
    dialect?: Dialect
  }
}

/** Whose paths begin so, for errors before a route is found and where there is none. */
const owners: readonly (readonly [start: string, dialect: Dialect])[] = [
  ['/openai/', openaiChat],
  ['/anthropic/', anthropicMessages],
  ['/genai/', gemini],
  ['/v1beta/', gemini],
  ['/v1/generate', unifiedBlocks],
]

/** What a vendor's clients send with each request, also on paths that other vendors have too. */
const signatures: readonly (readonly [header: string, dialect: Dialect])[] = [
  ['anthropic-version', anthropicMessages],
  ['x-goog-api-client', gemini],
  ['x-goog-api-key', gemini],
]

/** The dialect of who asks: the route's own, else the one that the path or a header gives away, else OpenAI's. */
export function dialectOf({ routeOptions, url, headers }: FastifyRequest): Dialect {
  return (
    routeOptions.config.dialect ??
    owners.find(([start]) => url.startsWith(start))?.[1] ??
    signatures.find(([header]) => headers[header] !== undefined)?.[1] ??
    openaiChat
  )
}
