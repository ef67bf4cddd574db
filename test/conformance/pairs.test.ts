import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { useGateway } from '../support/gateway.ts'
import { anthropicClient } from './clients/anthropic.ts'
import { blocksClient } from './clients/blocks.ts'
import { geminiClient } from './clients/gemini.ts'
import { openaiChatClient, openaiResponsesClient } from './clients/openai.ts'
import { startUpstreams, upstreams, type Facts } from './upstreams.ts'
import {
  Failure,
  image,
  maxTokens,
  question,
  result,
  schema,
  system,
  toolName,
  type Ask,
  type Block,
  type Client,
  type Sent,
  type Told,
} from './words.ts'

const clients: readonly Client[] = [
  openaiChatClient,
  openaiResponsesClient,
  anthropicClient,
  geminiClient,
  blocksClient,
]
const outcomes = new Map<string, Map<string, string>>()
let started: Awaited<ReturnType<typeof startUpstreams>> | undefined

beforeAll(async () => {
  started = await startUpstreams()
})
afterAll(async () => {
  await started?.close()
  process.stdout.write(toTable())
})
const gateway = useGateway(() => ({
  config: {
    providers: Object.fromEntries(
      upstreams.map(({ type, baseUrl }) => [
        type,
        { type, base_url: `${started?.url}/${type}${baseUrl}`, keys: [{ value: 'key-of-upstream' }] },
      ]),
    ),
  },
}))

describe.each(upstreams)('before $type,', (upstream) => {
  describe.each(clients)('a client of $dialect', (client) => {
    const isNative = client.dialect === upstream.native
    const pair = `${client.dialect} → ${upstream.type}${isNative ? ' (native)' : ''}`
    const ask = (model: string, asked: Partial<Ask> = {}): Promise<Told> =>
      client.ask(gateway().url, {
        model: `${upstream.type}/${upstream.prefix}${model}`,
        stream: true,
        ...asked,
      })

    afterEach(({ task }) => note(pair, task.name.split(':')[0] ?? '', task.result?.state))

    it('text: gets a whole answer, and its question arrives', async () => {
      const told = await ask('text', { stream: false })
      expectTold(
        told,
        (isNative ? upstream.whole.text : undefined) ?? upstream.answers.text,
        client,
        isNative,
      )
      expect(takeSent()).toMatchObject({ system, maxTokens, turns: [userTurn({ text: question })] })
    })

    it('stream: gets an answer as it comes', async () => {
      expectTold(await ask('text'), upstream.answers.text, client, isNative)
    })

    it('tools: gets calls of its tools', async () => {
      const told = await ask('tools', { tools: true })
      expectTold(told, upstream.answers.tools, client, isNative)
      expect(takeSent().tools).toEqual([toolName])
    })

    it('results: sends back what its tools have said, with the calls as they were', async () => {
      const after = await ask('tools', { tools: true })
      await ask('text', { tools: true, after })
      const { turns } = takeSent()
      const { calls = [], text, signature } = upstream.answers.tools
      const ids = after.calls.map(({ id }) => id)
      expect(turns.map(({ role }) => role)).toEqual(['user', 'assistant', 'user'])
      expect(turns[1]?.blocks.filter((block) => 'text' in block)).toEqual(text === '' ? [] : [{ text }])
      expect(turns[1]?.blocks.filter((block) => 'call' in block)).toEqual(
        calls.map(({ name, input }, index) => ({
          call: { id: ids[index], name, input },
          ...(signature !== undefined && index === 0 && { signature }),
        })),
      )
      expect(turns[2]?.blocks).toEqual(ids.map((id) => ({ result: { id, text: result } })))
    })

    it('image: shows the model a picture', async () => {
      await ask('text', { image: true })
      expect(takeSent().turns).toEqual([userTurn({ text: question }, { image })])
    })

    it('schema: asks for an answer of a shape', async () => {
      await ask('text', { schema: true, stream: false })
      expect(takeSent().schema).toEqual(schema)
    })

    it('thinking: hears the model think, and gives its thoughts back as they were', async () => {
      const facts = upstream.answers.thinking
      const after = await ask('thinking', { thinks: true })
      expectTold(after, facts, client, isNative)
      expect(takeSent().thinks).toBe(true)
      await ask('text', { after })
      const thoughts = takeSent().turns[1]?.blocks.filter((block) => 'thinking' in block) ?? []
      expect(thoughts.map((block) => block.thinking).join('')).toBe(facts.thinking)
      expect(thoughts.find(({ signature }) => signature !== undefined)?.signature).toBe(facts.signature)
    })

    it('refusal: is told why its request was refused', async () => {
      const failure = await failureOf(ask('too-long'))
      expect(failure).toMatchObject({ status: 400, said: '' })
      expect(failure.message).toMatch(/too long|exceeds/)
    })

    it('breakage: is told in the middle of an answer that it broke', async () => {
      const failure = await failureOf(ask('broken'))
      expect(failure.message).toContain(upstream.broken.message)
      expect(failure.said).toMatch(/^(?:It is|I was about)$/)
    })
  })
})

function expectTold(told: Told, facts: Facts, client: Client, isNative: boolean): void {
  const { calls = [], thinking = '' } = facts
  expect(told).toMatchObject({
    text: facts.text,
    thinking,
    calls,
    usage: facts.usage,
  })
  if (isNative) return
  expect(told.finish).toBe(client.finishes[facts.finish])
  if (client.tellsRaw) expect(told.raw).toBe(facts.raw)
}

function userTurn(...blocks: Block[]): Sent['turns'][number] {
  return { role: 'user', blocks }
}

function takeSent(): Sent {
  const sent = started?.takeSent()
  if (sent === undefined) throw new Error('The upstream was not asked.')
  return sent
}

async function failureOf(call: Promise<unknown>): Promise<Failure> {
  const thrown: unknown = await call.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (thrown instanceof Failure) return thrown
  throw new Error('The call did not fail as a call of a client does.', { cause: thrown })
}

function note(pair: string, cell: string, state: string | undefined): void {
  const row = outcomes.get(pair) ?? new Map<string, string>()
  outcomes.set(pair, row.set(cell, state === 'fail' ? 'FAIL' : 'ok'))
}

function toTable(): string {
  const columns = [...(outcomes.values().next().value?.keys() ?? [])]
  const width = Math.max(...[...outcomes.keys()].map(({ length }) => length), 0)
  const lines = [...outcomes].map(([pair, row]) => {
    const cells = columns.map((column) => (row.get(column) ?? '–').padEnd(column.length))
    return [pair.padEnd(width), ...cells].join('  ')
  })
  return `\n${[['client → upstream'.padEnd(width), ...columns].join('  '), ...lines].join('\n')}\n`
}
