import { setTimeout as sleep } from 'node:timers/promises'
import OpenAI, { toFile } from 'openai'
import { providerName, type Fleet } from './fleet.ts'

/** What became of a batch's lines, by their custom ids. */
export interface BatchVerdict {
  status: string
  /** Custom ids that are missing, and those that are there more than once. */
  missing: number
  doubled: number
  /** Prompts that the provider was asked more than once. */
  doubledCalls: number
  completed: number
  /** How many failed, by the code of their error. */
  failed: Record<string, number>
}

/** A client of the fleet whose calls go to an API that lives. */
export function clientOf(fleet: Fleet): OpenAI {
  return new OpenAI({ apiKey: 'any', baseURL: `${fleet.urls()[0]}/v1` })
}

/** Hands in a batch of prompts that are all different. */
export async function handIn(fleet: Fleet, lines: number, model: string): Promise<string> {
  const client = clientOf(fleet)
  const texts = Array.from({ length: lines }, (_, index) => {
    const body = { model: `${providerName}/${model}`, messages: [{ role: 'user', content: promptOf(index) }] }
    return JSON.stringify({ custom_id: customIdOf(index), method: 'POST', url: '/v1/chat/completions', body })
  })
  const file = await toFile(Buffer.from(texts.join('\n')), 'input.jsonl')
  const { id } = await client.files.create({ file, purpose: 'batch' })
  const batch = { input_file_id: id, endpoint: '/v1/chat/completions', completion_window: '24h' } as const
  return (await client.batches.create(batch)).id
}

/** How many lines have a result. */
export async function countDone(fleet: Fleet, id: string): Promise<number> {
  const { request_counts: counts } = await clientOf(fleet).batches.retrieve(id)
  return (counts?.completed ?? 0) + (counts?.failed ?? 0)
}

/** Waits for the end of a batch, and compares its files with what was asked and with the provider's journal. */
export async function judgeBatch(
  fleet: Fleet,
  id: string,
  lines: number,
  deadlineMs: number,
): Promise<BatchVerdict> {
  const giveUpAtMs = performance.now() + deadlineMs
  let batch = await clientOf(fleet).batches.retrieve(id)
  while (!isEnd(batch.status) && performance.now() < giveUpAtMs) {
    await sleep(200)
    batch = await clientOf(fleet).batches.retrieve(id)
  }
  const seen = new Map<string, number>()
  const failed: Record<string, number> = {}
  let completed = 0
  for (const fileId of [batch.output_file_id, batch.error_file_id]) {
    if (fileId == null) continue
    const text = await (await clientOf(fleet).files.content(fileId)).text()
    for (const line of text.trimEnd().split('\n')) {
      const { custom_id, response, error } = JSON.parse(line) as ResultLine
      seen.set(custom_id, (seen.get(custom_id) ?? 0) + 1)
      if (response?.status_code === 200) completed += 1
      else {
        const code = response?.body.error.code ?? error?.code ?? 'none'
        failed[code] = (failed[code] ?? 0) + 1
      }
    }
  }
  const ids = Array.from({ length: lines }, (_, index) => customIdOf(index))
  const { prompts } = await fleet.journal()
  return {
    status: batch.status,
    missing: ids.filter((customId) => !seen.has(customId)).length,
    doubled: [...seen.values()].filter((times) => times > 1).length,
    doubledCalls: Object.values(prompts.repeated).reduce((total, calls) => total + calls - 1, 0),
    completed,
    failed,
  }
}

interface ResultLine {
  custom_id: string
  response: { status_code: number; body: { error: { code: string } } } | null
  error: { code: string } | null
}

function isEnd(status: string): boolean {
  return ['completed', 'failed', 'expired', 'cancelled'].includes(status)
}

function promptOf(index: number): string {
  return `Prompt ${index} of a batch`
}

function customIdOf(index: number): string {
  return `line-${index}`
}
