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
  '/v1/completions': openaiCompletions,
  '/v1/embeddings': openaiEmbeddings,
  '/v1/moderations': openaiModerations,
  '/v1/images/generations': openaiImages,
  '/v1/rerank': rerank,
  '/v2/rerank': rerank,
}

/** The endpoints whose answers are no resources of their own: their runs are read again as jobs. */
export function openaiEndpoints(app: FastifyInstance, deps: ApiDeps): void {
  for (const [path, dialect] of Object.entries(dialects)) {
    app.post(path, (request, reply) => createRun(deps, dialect, request, reply))
  }
}
