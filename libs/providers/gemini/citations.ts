import { isJsonObject, type Part } from '#libs/core'

type JsonObject = Record<string, unknown>

/**
 * What a candidate tells of its sources, as the `url_citation` annotations of chat completions. Google counts bytes
 * of the text so far, and they characters.
 */
export function toCitations({ groundingMetadata, citationMetadata }: JsonObject, text: string): Part[] {
  const bytes = Buffer.from(text)
  const toCharacters = (at: unknown): number | undefined =>
    typeof at === 'number' ? bytes.toString('utf8', 0, at).length : undefined
  const found = [
    ...readGrounding(isJsonObject(groundingMetadata) ? groundingMetadata : {}),
    ...readSources(isJsonObject(citationMetadata) ? citationMetadata : {}),
  ]
  return found.map(({ start, end, url, title }) => ({
    type: 'citation',
    citation: {
      type: 'url_citation',
      url_citation: {
        // Google leaves out an index that is 0.
        start_index: toCharacters(start ?? (end === undefined ? undefined : 0)) ?? 0,
        end_index: toCharacters(end) ?? 0,
        url,
        title: typeof title === 'string' ? title : '',
      },
    },
  }))
}

interface Source {
  start?: unknown
  end?: unknown
  url: string
  title: unknown
}

/** Which pieces of the text rest on which pages; pages that no piece names are told for the whole. */
function readGrounding({ groundingChunks, groundingSupports }: JsonObject): Source[] {
  const pages = toObjects(groundingChunks).map(({ web, retrievedContext, maps }) => {
    const page = [web, retrievedContext, maps].find(isJsonObject)
    return typeof page?.uri === 'string' ? { url: page.uri, title: page.title } : undefined
  })
  const supports = toObjects(groundingSupports)
  if (supports.length === 0) return pages.filter((page) => page !== undefined)
  return supports.flatMap(({ segment, groundingChunkIndices }) => {
    const { startIndex: start, endIndex: end }: JsonObject = isJsonObject(segment) ? segment : {}
    const indices: unknown[] = Array.isArray(groundingChunkIndices) ? groundingChunkIndices : []
    return indices.flatMap((index) => {
      const page = typeof index === 'number' ? pages[index] : undefined
      return page === undefined ? [] : [{ start, end, ...page }]
    })
  })
}

/** The field's name on the Gemini API, and on Vertex AI. */
function readSources({ citationSources, citations }: JsonObject): Source[] {
  return toObjects(citationSources ?? citations).flatMap(({ startIndex: start, endIndex: end, uri, title }) =>
    typeof uri === 'string' ? [{ start, end, url: uri, title }] : [],
  )
}

function toObjects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : []
}
