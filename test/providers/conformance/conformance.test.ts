import { describe, expect, test } from 'vitest'
import { dialects } from '#libs/dialects'
import { providerSpecs, type ProviderSpec } from '#libs/providers'
import { readFixtures } from './cases.ts'
import { readForm, replay } from './replay.ts'

/** What each provider must be able to do, and so must show: one case a name. */
function namesAskedOf(spec: ProviderSpec): string[] {
  const chats = spec.native['openai-chat'] !== undefined || spec.adapter !== undefined
  return chats ? ['answer', 'stream', 'tool-call', 'error'] : ['error']
}

describe.each(providerSpecs.filter((spec) => spec.builtIn === undefined))('the provider $type', (spec) => {
  const fixtures = readFixtures(spec.type)

  test('has fixtures, which say where they come from', () => {
    expect(fixtures, `test/fixtures/${spec.type} needs cases.json and SOURCE.md`).toBeDefined()
    expect(fixtures?.source).toMatch(/https:\/\//)
  })

  test('shows in them everything that is asked of it', () => {
    const names = fixtures?.cases.map(({ name }) => name) ?? []
    const spoken = fixtures?.cases.map(({ dialect = 'openai-chat' }) => dialect) ?? []

    expect(names).toEqual(expect.arrayContaining(namesAskedOf(spec)))
    expect(spoken).toEqual(expect.arrayContaining(Object.keys(spec.native)))
    expect(new Set(names).size).toBe(names.length)
  })

  describe.each(fixtures?.cases ?? [])('in the case of $name', (fixture) => {
    const isKnown = dialects[fixture.dialect ?? 'openai-chat'] !== undefined

    test.runIf(isKnown)('gets what it understands, and is understood', async () => {
      const replayed = await replay(spec, fixture)
      const { sent, expect: expected } = fixture

      expect(replayed.error).toEqual(
        expected.error === undefined ? undefined : expect.objectContaining(expected.error),
      )
      if (expected.answer !== undefined) expect(replayed.answer).toMatchObject(expected.answer)
      if (expected.finish !== undefined) expect(replayed.heard?.finish?.unified).toBe(expected.finish)
      if (expected.usage !== undefined) expect(replayed.heard?.usage).toEqual(expected.usage)
      if (sent?.path !== undefined) expect(replayed.sent.path).toBe(sent.path)
      if (sent?.headers !== undefined) expect(replayed.sent.headers).toMatchObject(sent.headers)
      if (sent?.body !== undefined) expect(JSON.parse(replayed.sent.body.toString())).toEqual(sent.body)
      if (sent?.form !== undefined) expect(await readForm(replayed.sent)).toEqual(sent.form)
    })
  })
})
