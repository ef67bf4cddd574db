import { choosePlace, idleTarget, type CacheKnowledge, type KnownPlace, type Target } from '#libs/routing'
import { describe, expect, test } from 'vitest'

const nowMs = 1_000_000
const lifetimeMs = 60_000
const thresholds = { strongNanodollars: 1_000, mildNanodollars: 100, strongTokens: 4_000, mildTokens: 500 }
const main: Target = { provider: 'main', model: 'm', weight: 1 }
const spare: Target = { provider: 'spare', model: 'm', weight: 1 }
const prefix = { digest: 'long', tokens: 3_000 }
const head = { digest: 'head', tokens: 1_500 }

function place(told: Partial<KnownPlace> = {}): KnownPlace {
  const known = { provider: 'main', model: 'm', key: 'a', seenAtMs: nowMs, tokens: 3_000, misses: 0, uses: 1 }
  return { ...known, ...told }
}

interface Told extends Partial<CacheKnowledge> {
  candidates?: [Target, ...Target[]]
  session?: KnownPlace[]
}

/** What is decided when these places are known for the whole prompt, or for its head. */
function decide(
  found: { long?: KnownPlace[]; head?: KnownPlace[] },
  { candidates, session, ...told }: Told = {},
) {
  const known = new Map(Object.entries(found))
  if (session !== undefined) known.set('session', session)
  return choosePlace(
    candidates ?? [main, spare],
    { known: [prefix, head], kept: [prefix], session: { digest: 'session', tokens: 3_000 } },
    known,
    {
      thresholds,
      look: () => idleTarget,
      factsOf: () => ({ lifetimeMs, minTokens: 1_024 }),
      // One nanodollar a token.
      savingOf: (_, { cached }) => cached,
      nowMs,
      ...told,
    },
  ).decision
}

describe('the key is preferred', () => {
  test('strongly when its cache saves much', () => {
    expect(decide({ long: [place()] }, { candidates: [spare, main] })).toEqual({
      provider: 'main',
      model: 'm',
      key: 'a',
      reason: 'prefix',
      preference: 'strong',
      cachedTokens: 3_000,
      expectedSavingNanodollars: 3_000,
    })
  })

  test('mildly when it saves less, be it because it is old or because it was not there before', () => {
    expect(decide({ long: [place({ seenAtMs: nowMs - 0.9 * lifetimeMs })] })).toMatchObject({
      preference: 'mild',
    })
    expect(decide({ long: [place({ misses: 2 })] })).toMatchObject({
      preference: 'mild',
      expectedSavingNanodollars: 750,
    })
  })

  test('by tokens where the price is unknown', () => {
    const savingOf = (): undefined => undefined
    expect(decide({ long: [place()] }, { savingOf })).toMatchObject({
      preference: 'mild',
      expectedSavingNanodollars: null,
    })
    expect(decide({ long: [place({ misses: 5 })] }, { savingOf })).toMatchObject({ reason: 'balance' })
  })

  test('that holds more of the prompt', () => {
    const decision = decide({ long: [place({ key: 'b' })], head: [place({ key: 'c', tokens: 1_500 })] })
    expect(decision).toMatchObject({ key: 'b', cachedTokens: 3_000 })
  })

  test('mildly for the sake of a session, whatever it saves', () => {
    const session = [place({ key: 's', tokens: 10 })]
    expect(decide({}, { session })).toMatchObject({ key: 's', reason: 'session', preference: 'mild' })
    expect(decide({ long: [place()] }, { session })).toMatchObject({ key: 'a', reason: 'prefix' })
  })
})

describe('load decides', () => {
  test.each<[string, Parameters<typeof decide>]>([
    ['when nothing is known', [{}]],
    ['when the cache has forgotten it', [{ long: [place({ seenAtMs: nowMs - lifetimeMs })] }]],
    ['when it is too short for the cache', [{ long: [place({ tokens: 1_000 })] }]],
    ['when the provider has no cache', [{ long: [place()] }, { factsOf: () => undefined }]],
    ['when too little is saved', [{ long: [place()] }, { savingOf: () => 99 }]],
    ['when the target is no candidate', [{ long: [place()] }, { candidates: [spare] }]],
    [
      'when the target is for when others fail',
      [{ long: [place()] }, { candidates: [spare, { ...main, order: 2 }] }],
    ],
    [
      'when the target is ill',
      [{ long: [place()] }, { look: () => ({ ...idleTarget, circuit: 'open', untilMs: nowMs + 1 }) }],
    ],
    [
      'when calls with the key fail',
      [{ long: [place()] }, { look: () => ({ ...idleTarget, sickKeys: ['a'] }) }],
    ],
    [
      'when the target is at its limits and little is saved',
      [
        { long: [place({ misses: 2 })] },
        { look: () => ({ ...idleTarget, isResting: true, untilMs: nowMs + 1 }) },
      ],
    ],
  ])('%s', (_, given) => {
    expect(decide(...given)).toMatchObject({ reason: 'balance', preference: 'none', key: null })
  })
})

describe('what many conversations begin with', () => {
  test('is never waited for, and taken from the key that had fewer of them', () => {
    const places = [place({ key: 'a', uses: 18 }), place({ key: 'b', uses: 9 })]
    expect(decide({ long: places })).toMatchObject({ key: 'b', preference: 'mild' })
  })

  test('comes to one more key when all that have it were used often', () => {
    expect(decide({ long: [place({ uses: 9 })] })).toMatchObject({ key: 'a' })
    expect(decide({ long: [place({ uses: 10 })] })).toMatchObject({ reason: 'balance' })
    const places = [place({ key: 'a', uses: 30 }), place({ key: 'b', uses: 20 })]
    expect(decide({ long: places })).toMatchObject({ reason: 'balance' })
  })
})
