import type { FastifyRequest } from 'fastify'
import { anthropicMessages, openaiChat, type Dialect } from '#libs/dialects'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The dialect that a route's errors are told in; OpenAI's where nothing is said. */
    dialect?: Dialect
  }
}

/** The dialect of who asks: the route's own, else the one that the headers give away. */
export function dialectOf(request: FastifyRequest): Dialect {
  const { dialect } = request.routeOptions.config
  if (dialect !== undefined) return dialect
  return speaksAnthropic(request) ? anthropicMessages : openaiChat
}

/** Anthropic's clients name its version with each request, also on paths that other vendors have too. */
export function speaksAnthropic(request: FastifyRequest): boolean {
  return request.headers['anthropic-version'] !== undefined
}
