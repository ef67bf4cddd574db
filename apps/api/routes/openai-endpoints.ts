import type { FastifyInstance } from 'fastify'
import {
  openaiCompletions,
  openaiEmbeddings,
  openaiImages,
  openaiModerations,
  rerank,
  type Dialect,
} from '#libs/dialects'
import { createRun } from '../create-run.ts'
import type { ApiDeps } from '../deps.ts'

const dialects: Readonly<Record<string, Dialect>> = {
  '/completions': openaiCompletions,
  '/embeddings': openaiEmbeddings,
  '/moderations': openaiModerations,
  '/images/generations': openaiImages,
}

/** The endpoints whose answers are no resources of their own: their runs are read again as jobs. */
export function openaiEndpoints(app: FastifyInstance, deps: ApiDeps): void {
  for (const [path, dialect] of Object.entries(dialects)) {
    app.post(path, (request, reply) => createRun(deps, dialect, request, reply))
  }
}

/** Cohere's, which everybody else has taken over. */
export function reranking(app: FastifyInstance, deps: ApiDeps): void {
  app.post('/rerank', (request, reply) => createRun(deps, rerank, request, reply))
}
