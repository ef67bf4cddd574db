/** Many conversations with a model, each about a document of its own, and each turn with all that was said before. */
export interface Replay {
  /** Ends in /v1. */
  baseUrl: string
  model: string
  headers?: Readonly<Record<string, string>>
  conversations: number
  turns: number
  /** How many different system prompts they begin with. */
  systemPrompts: number
  /** Conversations that go on beside each other. */
  atOnce: number
}

/** What the answers' usage says came from prompt caches. */
export interface Replayed {
  requests: number
  hits: number
  inputTokens: number
  cachedTokens: number
}

interface Answer {
  choices: { message: { content: string } }[]
  usage: { prompt_tokens: number; prompt_tokens_details?: { cached_tokens?: number } }
}

interface Message {
  role: string
  content: string
}

/** Throws what any of the requests is answered with but 200. */
export async function replayConversations(replay: Replay): Promise<Replayed> {
  const total: Replayed = { requests: 0, hits: 0, inputTokens: 0, cachedTokens: 0 }
  const left = Array.from({ length: replay.conversations }, (_, index) => index)

  async function converse(conversation: number): Promise<void> {
    const system = systemPrompt(conversation % replay.systemPrompts)
    const messages: Message[] = [{ role: 'system', content: system }]
    for (let turn = 0; turn < replay.turns; turn++) {
      const about = turn === 0 ? documentOf(conversation) : ''
      messages.push({ role: 'user', content: `${about}Question ${turn}: what does it say of this?` })
      const { choices, usage } = await ask(replay, messages)
      const cached = usage.prompt_tokens_details?.cached_tokens ?? 0
      total.requests += 1
      total.hits += cached > 0 ? 1 : 0
      total.inputTokens += usage.prompt_tokens
      total.cachedTokens += cached
      messages.push({ role: 'assistant', content: choices[0]?.message.content ?? '' })
    }
  }

  await Promise.all(
    Array.from({ length: replay.atOnce }, async () => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) await converse(next)
    }),
  )
  return total
}

/** Some 1,200 tokens. */
function systemPrompt(index: number): string {
  return `You are assistant number ${index}. ${'You are helpful, and you know a lot. '.repeat(130)}`
}

/** Some 2,000 tokens. */
function documentOf(conversation: number): string {
  return `Document ${conversation}. ${'It has a line that tells of something. '.repeat(200)}`
}

async function ask({ baseUrl, model, headers }: Replay, messages: readonly Message[]): Promise<Answer> {
  const response = await fetch(`${baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model, messages }),
  })
  if (response.ok) return (await response.json()) as Answer
  throw new Error(`A request was answered with ${response.status}: ${await response.text()}`)
}
