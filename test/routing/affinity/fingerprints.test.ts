import type { CanonicalRequest, Message } from '#libs/core'
import { createFingerprinter } from '#libs/routing'
import { describe, expect, test } from 'vitest'

const fingerprint = createFingerprinter({
  salt: 'salt',
  estimateTokens: (piece) => JSON.stringify(piece ?? '').length / 4,
})

function say(index: number, text = `Message ${index}.`): Message {
  const role = index % 2 === 0 ? 'user' : 'assistant'
  return { role, content: [{ type: 'text', text }] }
}

function conversation(length: number): Message[] {
  return Array.from({ length }, (_, index) => say(index))
}

function take(messages: Message[], { tenant = 'acme', session, ...prompt }: Taken = {}) {
  return fingerprint({
    tenant,
    session,
    prompt: { system: [{ type: 'text', text: 'Be brief.' }], tools: [], messages, ...prompt },
  })
}

interface Taken extends Partial<Pick<CanonicalRequest, 'system' | 'tools'>> {
  tenant?: string
  session?: string
}

/** The longest prefix of the later prompt that the earlier one has left behind, in messages. */
function sharedWith(earlier: ReturnType<typeof take>, later: ReturnType<typeof take>): string | undefined {
  const kept = new Set(earlier.kept.map(({ digest }) => digest))
  return later.known.find(({ digest }) => kept.has(digest))?.digest
}

describe('a prompt is recognized', () => {
  test.each([
    [1, 3],
    [3, 5],
    [7, 9],
    [40, 42],
    [40, 56],
  ])('when %i messages have become %i', (before, after) => {
    const earlier = take(conversation(before))
    expect(sharedWith(earlier, take(conversation(after)))).toBe(earlier.kept[0]?.digest)
  })

  test('wherever the marks are that say what to keep', () => {
    const marked = conversation(3).map((message) => ({
      ...message,
      content: message.content.map((content) => ({ ...content, cache: { ttl: '5m' } })),
    })) as Message[]
    expect(take(marked).kept).toEqual(
      take(conversation(3)).kept.map((prefix) => expect.objectContaining({ digest: prefix.digest })),
    )
  })

  test('by what others begin with too, when the conversation is another', () => {
    const others = take([say(0, 'Something else.')])
    const shared = sharedWith(take(conversation(1)), others)
    expect(shared).toBe(others.kept.at(-1)?.digest)
    expect(shared).not.toBe(others.kept[0]?.digest)
  })
})

describe('a prompt is another one', () => {
  const earlier = take(conversation(3))
  test.each<[string, ReturnType<typeof take>]>([
    ['for another tenant', take(conversation(3), { tenant: 'other' })],
    ['after another system prompt', take(conversation(3), { system: [{ type: 'text', text: 'Be long.' }] })],
    ['with another tool', take(conversation(3), { tools: [{ name: 'look', parameters: {} }] })],
  ])('%s', (_, later) => expect(sharedWith(earlier, later)).toBeUndefined())

  test('with another salt', () => {
    const salted = createFingerprinter({ salt: 'other', estimateTokens: () => 1 })
    const prompt = { system: [], tools: [], messages: conversation(1) }
    const digests = [fingerprint, salted].map((each) => {
      return each({ tenant: 'acme', session: 's', prompt })
    })
    expect(digests[0]?.kept[0]?.digest).not.toBe(digests[1]?.kept[0]?.digest)
    expect(digests[0]?.session?.digest).not.toBe(digests[1]?.session?.digest)
  })
})

test('a long conversation leaves few fingerprints behind, and asks for few', () => {
  const { known, kept } = take(conversation(500))
  expect(kept.length).toBeLessThan(12)
  expect(known.length).toBeLessThan(30)
  expect(known.map(({ tokens }) => tokens)).toEqual(
    known.map(({ tokens }) => tokens).toSorted((a, b) => b - a),
  )
  // 96 bits.
  expect(kept.every(({ digest }) => /^[\w-]{16}$/.test(digest))).toBe(true)
})

test('a session is the tenant’s own, and counts as much as its prompt', () => {
  const { session, kept } = take(conversation(3), { session: 'chat-1' })
  expect(session?.tokens).toBe(kept[0]?.tokens)
  expect(session?.digest).not.toBe(
    take(conversation(3), { session: 'chat-1', tenant: 'other' }).session?.digest,
  )
  expect(session?.digest).toBe(take([say(0, 'Anew.')], { session: 'chat-1' }).session?.digest)
  expect(fingerprint({ tenant: 'acme', prompt: undefined, session: undefined })).toEqual({
    known: [],
    kept: [],
    session: undefined,
  })
})
