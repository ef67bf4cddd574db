import type { Integrity, StreamLoad } from './messages.ts'

/** A prompt and the answer it always gets. */
export interface Reference {
  prompt: string
  text: string
  words: string[]
  /** How many tokens end at or before a position of the text. */
  tokensUntil: Uint32Array
}

const prompts = 8

/** Asks the simulator itself. There are several prompts so that an answer to another client is noticed. */
export async function fetchReferences({ simulatorUrl, unpacedModel }: StreamLoad): Promise<Reference[]> {
  return Promise.all(
    Array.from({ length: prompts }, async (_, index) => {
      const prompt = `Tell me something in Latin, please, variation ${index}.`
      const response = await fetch(simulatorUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: 'Bearer bench' },
        body: JSON.stringify({ model: unpacedModel, messages: [{ role: 'user', content: prompt }] }),
      })
      if (!response.ok) throw new Error(`The simulator refused the reference: ${await response.text()}`)
      const answer = (await response.json()) as { choices: { message: { content: string } }[] }
      return toReference(prompt, answer.choices[0]?.message.content ?? '')
    }),
  )
}

export function toReference(prompt: string, text: string): Reference {
  const words = text.split(/(?= )/)
  const tokensUntil = new Uint32Array(text.length + 1)
  let position = 0
  for (const [index, word] of words.entries()) {
    tokensUntil.fill(index, position, position + word.length)
    position += word.length
  }
  tokensUntil[position] = words.length
  return { prompt, text, words, tokensUntil }
}

/** What became of the tokens between the first that was wrong and the end. */
export function compareWords(expected: string[], received: string[]): Omit<Integrity, 'whole'> {
  const balance = new Map<string, number>()
  for (const word of expected) balance.set(word, (balance.get(word) ?? 0) + 1)
  for (const word of received) balance.set(word, (balance.get(word) ?? 0) - 1)
  let lostTokens = 0
  let duplicatedTokens = 0
  for (const count of balance.values()) {
    if (count > 0) lostTokens += count
    else duplicatedTokens -= count
  }
  const sameWords = lostTokens === 0 && duplicatedTokens === 0
  const moved = sameWords ? received.filter((word, index) => word !== expected[index]).length : 0
  return { lostTokens, duplicatedTokens, reorderedTokens: moved }
}
