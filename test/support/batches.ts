import OpenAI, { toFile } from 'openai'
import { eventually, useGateway, type Gateway } from './gateway.ts'
import type { JsonObject } from './http.ts'

type Endpoint = OpenAI.BatchCreateParams['endpoint']
type Lines = readonly (object | string)[]
type Options = Partial<Omit<OpenAI.BatchCreateParams, 'completion_window'>> & { completion_window?: string }

/** A gateway with two tenants, a key with limits and the model `house`, and what it takes to have batches carried by it. */
export interface BatchGateway {
  gateway: () => Gateway
  client: (apiKey?: string) => OpenAI
  upload: (lines: Lines, purpose?: OpenAI.FilePurpose, apiKey?: string) => Promise<OpenAI.FileObject>
  create: (lines: Lines, options?: Options, apiKey?: string) => Promise<OpenAI.Batch>
  /** Resolves with the batch when it has ended. */
  ended: (id: string, apiKey?: string) => Promise<OpenAI.Batch>
  /** The lines of a file; none if there is no file. */
  readLines: (id: string | null | undefined, apiKey?: string) => Promise<JsonObject[]>
}

const ends = ['completed', 'failed', 'expired', 'cancelled']

/** A line for a chat completion, with a prompt of its own. */
export const chatLine = (index: number, model = 'house') => ({
  custom_id: `line-${index}`,
  method: 'POST',
  url: '/v1/chat/completions',
  body: { model, messages: [{ role: 'user', content: `Prompt ${index}` }] },
})

export function useBatchGateway(): BatchGateway {
  const gateway = useGateway({
    config: {
      server: { body_limit_bytes: 100_000 },
      batches: { max_lines: 500, in_flight: 64 },
      keys: [
        { key: 'sk-first', tenant: 'first' },
        { key: 'sk-second', tenant: 'second' },
        { key: 'sk-limited', tenant: 'limited', limits: { parallel: 4 }, models: { deny: ['sim/*'] } },
      ],
      models: [{ name: 'house', targets: [{ provider: 'upstream', model: 'lorem?tokens=5' }] }],
    },
  })
  const client = (apiKey = 'sk-first') =>
    new OpenAI({ apiKey, baseURL: `${gateway().url}/v1`, maxRetries: 0 })
  const upload: BatchGateway['upload'] = async (lines, purpose = 'batch', apiKey) => {
    const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n')
    return client(apiKey).files.create({ file: await toFile(Buffer.from(text), 'input.jsonl'), purpose })
  }
  return {
    gateway,
    client,
    upload,
    async create(lines, options = {}, apiKey) {
      const { id } = await upload(lines, 'batch', apiKey)
      const endpoint: Endpoint = '/v1/chat/completions'
      const asked = { input_file_id: id, endpoint, completion_window: '24h', ...options }
      return client(apiKey).batches.create(asked as OpenAI.BatchCreateParams)
    },
    async ended(id, apiKey) {
      let batch = await client(apiKey).batches.retrieve(id)
      await eventually(`batch ${id} to end`, async () => {
        batch = await client(apiKey).batches.retrieve(id)
        return ends.includes(batch.status)
      })
      return batch
    },
    async readLines(id, apiKey) {
      if (id == null) return []
      const text = await (await client(apiKey).files.content(id)).text()
      return text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as JsonObject)
    },
  }
}
