import {
  anthropicMessages,
  openaiChat,
  openaiCompletions,
  openaiEmbeddings,
  openaiImages,
  openaiModerations,
  openaiResponses,
  rerank,
  unifiedBlocks,
  type Dialect,
} from '#libs/dialects'

/** The paths that the requests of a batch may be for. What takes a form or answers a file is not among them. */
export const batchEndpoints: ReadonlyMap<string, Dialect> = new Map<string, Dialect>([
  ['/v1/chat/completions', openaiChat],
  ['/v1/responses', openaiResponses],
  ['/v1/completions', openaiCompletions],
  ['/v1/embeddings', openaiEmbeddings],
  ['/v1/moderations', openaiModerations],
  ['/v1/images/generations', openaiImages],
  ['/v1/rerank', rerank],
  ['/v1/messages', anthropicMessages],
  ['/v1/generate', unifiedBlocks],
])
