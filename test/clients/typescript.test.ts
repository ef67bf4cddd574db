import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  createClient,
  createReplayFetch,
  createResumableFetch,
  MillraceError,
} from '../../clients/typescript/src/index.ts'
import { type ChaosProxy, startChaosProxy } from '../support/chaos-proxy.ts'
import { useGateway } from '../support/gateway.ts'

/** The client kit, behind a line that breaks, in front of an API that is killed. */
const gateway = useGateway()
let line: ChaosProxy
let url: string
beforeAll(async () => {
  line = await startChaosProxy(Number(new URL(gateway().url).port))
  url = `http://127.0.0.1:${line.port}`
})
afterAll(() => line.close())
beforeEach(async () => {
  await gateway().simulator.idle()
  gateway().simulator.reset()
})
const totals = () => gateway().simulator.journal().totals

const model = 'upstream/lorem?tokens=60&gap_ms=15'
const messages = [{ role: 'user' as const, content: 'Tell me a story.' }]

/** Breaks the line each time that so many more words have come. */
function breaker(every: number): (words: number) => void {
  let next = every
  return (words) => {
    if (words < next) return
    next += every
    line.reset()
  }
}

/** The story, as it is told to somebody whose line holds. */
async function wholeStory(): Promise<string> {
  const client = new OpenAI({ apiKey: 'none', baseURL: `${gateway().url}/v1` })
  const { choices } = await client.chat.completions.create({
    model: 'upstream/lorem?tokens=60&gap_ms=0',
    messages,
  })
  gateway().simulator.reset()
  return choices[0]?.message.content ?? ''
}

describe('an SDK with the resumable fetch', () => {
  test.each(['chat', 'responses', 'messages'] as const)(
    'reads %s through a line that breaks, and notices nothing',
    async (dialect) => {
      const story = await wholeStory()
      const options = { apiKey: 'none', baseURL: `${url}/v1`, fetch: createResumableFetch(), maxRetries: 0 }
      let text = ''
      const breakLine = breaker(15)
      const hear = (piece: string): void => {
        text += piece
        breakLine(text.split(' ').length)
      }
      if (dialect === 'chat') {
        const stream = new OpenAI(options).chat.completions.stream({ model, messages })
        await stream.on('content', hear).finalChatCompletion()
      } else if (dialect === 'responses') {
        const stream = new OpenAI(options).responses.stream({ model, input: messages })
        await stream.on('response.output_text.delta', ({ delta }) => hear(delta)).finalResponse()
      } else {
        const client = new Anthropic({ ...options, baseURL: url })
        await client.messages.stream({ model, messages, max_tokens: 100 }).on('text', hear).finalMessage()
      }
      expect(text).toBe(story)
      expect(totals()).toMatchObject({ calls: 1, closedBy: { finished: 1 } })
    },
  )

  test('outlives the API process that it was reading from', async () => {
    const story = await wholeStory()
    const [api] = gateway().apis
    const client = new OpenAI({ apiKey: 'none', baseURL: `${url}/v1`, fetch: createResumableFetch() })
    const stream = client.chat.completions.stream({ model, messages })
    let restarted: Promise<void> | undefined
    stream.on('content', () => {
      restarted ??= api?.stop('SIGKILL').then(() => api.restart())
    })
    const { choices } = await stream.finalChatCompletion()
    expect(choices[0]?.message.content).toBe(story)
    await restarted
    expect(totals().calls).toBe(1)
  })

  test('sends a request again whose answer was lost, and it is paid once', async () => {
    line.set({ dropReplies: true })
    setTimeout(() => line.set({}), 500)
    const client = new OpenAI({
      apiKey: 'none',
      baseURL: `${url}/v1`,
      fetch: createResumableFetch(),
      maxRetries: 0,
    })
    const { choices } = await client.chat.completions.create({ model: 'upstream/lorem?tokens=5', messages })
    expect(choices[0]?.finish_reason).toBe('stop')
    expect(totals().calls).toBe(1)
  })

  test('says so when the gateway stays away', async () => {
    const fetch = createResumableFetch({ giveUpAfterMs: 500 })
    const client = new OpenAI({ apiKey: 'none', baseURL: `${url}/v1`, fetch })
    const stream = await client.chat.completions.create({ model, messages, stream: true })
    const reading = (async () => {
      for await (const { choices } of stream) {
        if (choices[0]?.delta.content === undefined) continue
        line.set({ dropReplies: true })
        line.reset()
      }
    })()
    await expect(reading).rejects.toThrow(
      /^The stream of run chatcmpl-\w+ was lost, and did not come back\.$/,
    )
    line.set({})
  })

  test('leaves when its user does', async () => {
    const client = new OpenAI({ apiKey: 'none', baseURL: `${url}/v1`, fetch: createResumableFetch() })
    const headers = { 'x-millrace-on-disconnect': 'cancel' }
    const stream = await client.chat.completions.create({ model, messages, stream: true }, { headers })
    for await (const { choices } of stream) if (choices[0]?.delta.content !== undefined) break
    await expect.poll(() => totals().closedBy, { timeout: 10_000 }).toMatchObject({ client: 1 })
  })

  test('tells a run again to somebody who comes later, and pays for nothing', async () => {
    const story = await wholeStory()
    let runId = ''
    const fetch = createResumableFetch({ onRun: (id) => (runId = id) })
    const asking = new OpenAI({ apiKey: 'none', baseURL: `${url}/v1`, fetch })
    const stream = await asking.chat.completions.create({ model, messages, stream: true })
    for await (const { choices } of stream) if (choices[0]?.delta.content !== undefined) break
    const again = new OpenAI({ apiKey: 'none', baseURL: `${url}/v1`, fetch: createReplayFetch(runId) })
    for (let times = 0; times < 2; times++) {
      const { choices } = await again.chat.completions.stream({ model, messages }).finalChatCompletion()
      expect(choices[0]?.message.content).toBe(story)
    }
    expect(totals().calls).toBe(1)
  })
})

describe('the client', () => {
  const client = () => createClient({ baseUrl: url })
  const body = { model, messages }

  test('streams the events of any dialect through a line that breaks', async () => {
    const seen: number[] = []
    const breakLine = breaker(20)
    let runId = ''
    const options = { onRun: (id: string) => (runId = id) }
    for await (const { data } of client().stream('/v1/chat/completions', body, options)) {
      seen.push((JSON.parse(data) as { sequence_number: number }).sequence_number)
      breakLine(seen.length)
    }
    expect(seen).toEqual(Array.from({ length: 62 }, (_, seq) => seq))
    const left: string[] = []
    for await (const { data } of client().resume(runId, { after: 58 })) left.push(data)
    expect(left).toHaveLength(3)
    expect(totals().calls).toBe(1)
  })

  test('hands a job in, waits for it, and collects it', async () => {
    const { jobs } = client()
    const job = await jobs.submit('/v1/chat/completions', body)
    expect(job.completed_at).toBeNull()
    const waiting = jobs.wait(job.id)
    setTimeout(() => line.reset(), 200)
    expect(await waiting).toMatchObject({ id: job.id, status: 'completed' })
    const result = (await (await jobs.result(job.id)).json()) as OpenAI.ChatCompletion
    expect(result.choices[0]?.finish_reason).toBe('stop')
    const listed = await Array.fromAsync(jobs.list({ status: 'completed' }))
    expect(listed.map(({ id }) => id)).toContain(job.id)
    await jobs.delete(job.id)
    await expect(jobs.get(job.id)).rejects.toThrow(MillraceError)
  })

  test('cancels a job', async () => {
    const { jobs } = client()
    const { id } = await jobs.submit('/v1/chat/completions', body)
    expect(await jobs.cancel(id)).toMatchObject({ id, status: 'cancelled' })
  })

  test('throws errors that tell what, and whom to ask', async () => {
    const asking = client()
      .stream('/v1/chat/completions', { ...body, model: 'nope' })
      .next()
    await expect(asking).rejects.toMatchObject({
      name: 'MillraceError',
      status: 404,
      code: 'model_not_found',
      requestId: expect.stringMatching(/^req_/),
    })
    await expect(client().jobs.wait('chatcmpl-nothing')).rejects.toMatchObject({ status: 404 })
  })
})
