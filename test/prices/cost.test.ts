import { toDollars } from '#libs/core'
import { costOf, estimateCost, type Price } from '#libs/prices'
import { describe, expect, test } from 'vitest'

/** In dollars for a million tokens: 3, 15, 0.30, 3.75 and 6. */
const sonnet: Price = {
  input: 3_000_000,
  output: 15_000_000,
  cacheRead: 300_000,
  cacheWrite: 3_750_000,
  cacheWrite1h: 6_000_000,
  source: 'test',
  date: null,
}

describe('a run costs', () => {
  test('what its input and output cost', () => {
    expect(costOf(sonnet, { inputTokens: 1000, outputTokens: 100 })).toBe(4_500_000)
  })

  test('less for what was read from a cache, and more for what was written to one', () => {
    const usage = {
      inputTokens: 10_000,
      outputTokens: 0,
      cacheReadTokens: 6000,
      cacheWriteTokens: 3000,
      cacheWrite1hTokens: 1000,
    }
    // 1000 × 3 + 6000 × 0.30 + 2000 × 3.75 + 1000 × 6, in micro-dollars.
    expect(costOf(sonnet, usage)).toBe((3000 + 1800 + 7500 + 6000) * 1000)
  })

  test('the same for reasoning as for output, unless it has a price of its own', () => {
    const usage = { inputTokens: 0, outputTokens: 100, reasoningTokens: 60 }
    expect(costOf(sonnet, usage)).toBe(1_500_000)
    expect(costOf({ ...sonnet, reasoning: 5_000_000 }, usage)).toBe(900_000)
  })

  test('what sound and pictures cost', () => {
    const usage = { inputTokens: 100, outputTokens: 50, inputAudioTokens: 80, outputAudioTokens: 50 }
    expect(costOf({ ...sonnet, inputAudio: 40_000_000, outputAudio: 80_000_000 }, usage)).toBe(7_260_000)
    expect(costOf(sonnet, usage)).toBe(1_050_000)
  })

  test('the price of long requests from above their bound on, for all of its tokens', () => {
    const tiered = { ...sonnet, tiers: [{ above: 200_000, rates: { input: 6_000_000, output: 22_500_000 } }] }
    expect(costOf(tiered, { inputTokens: 200_000, outputTokens: 10 })).toBe(600_150_000)
    expect(costOf(tiered, { inputTokens: 200_001, outputTokens: 10 })).toBe(1_200_231_000)
  })

  test('the price of batches when it was part of one', () => {
    const usage = { inputTokens: 1000, outputTokens: 100 }
    const batch = { input: 1_500_000, output: 7_500_000 }
    expect(costOf({ ...sonnet, batch }, usage, { isBatch: true })).toBe(2_250_000)
    expect(costOf(sonnet, usage, { isBatch: true })).toBeUndefined()
  })

  test('what is asked for each request, too', () => {
    expect(costOf({ ...sonnet, request: 12_000_000 }, { inputTokens: 0, outputTokens: 0 })).toBe(12_000_000)
  })

  test('nothing where the price is 0', () => {
    const free: Price = { input: 0, output: 0, source: 'test', date: null }
    expect(costOf(free, { inputTokens: 5, outputTokens: 5 })).toBe(0)
  })

  test('to the nanodollar, to which it is rounded once', () => {
    // 19.5 nanodollars a token.
    const embedding: Price = { input: 19_500, source: 'test', date: null }
    expect(costOf(embedding, { inputTokens: 3 })).toBe(59)
    expect(costOf(embedding, { inputTokens: 2 })).toBe(39)
  })
})

describe('it is not known what a run costs', () => {
  test('that has used what has no price', () => {
    const inputOnly: Price = { input: 1, source: 'test', date: null }
    expect(costOf(inputOnly, { inputTokens: 1, outputTokens: 1 })).toBeUndefined()
    expect(costOf(inputOnly, { inputTokens: 1, outputTokens: 0 })).toBe(0)
  })

  test('that was not counted', () => {
    expect(costOf(sonnet, {})).toBeUndefined()
    expect(costOf(sonnet, { inputTokens: 1 })).toBeUndefined()
  })

  test('that has written a cache for an hour, where only the price for minutes is known', () => {
    const { cacheWrite1h: _, ...price } = sonnet
    const usage = { inputTokens: 10, outputTokens: 0, cacheWriteTokens: 10, cacheWrite1hTokens: 10 }
    expect(costOf(price, usage)).toBeUndefined()
  })

  test('with counts that no request can have', () => {
    expect(costOf(sonnet, { inputTokens: 1e300, outputTokens: 1 })).toBeUndefined()
    expect(costOf(sonnet, { inputTokens: 1e10, outputTokens: 1 })).toBeUndefined()
  })
})

test('ten million tokens of the dearest model are still counted exactly', () => {
  const dearest: Price = { input: 150_000_000, output: 600_000_000, source: 'test', date: null }
  expect(costOf(dearest, { inputTokens: 10_000_000, outputTokens: 9_999_999 })).toBe(7_499_999_400_000)
})

test('what a request will cost is estimated by what is known of it', () => {
  const expected = { inputTokens: 1000, outputTokens: 100, cachedTokens: 900 }
  expect(estimateCost(sonnet, expected)).toBe(300_000 + 270_000 + 1_500_000)
})

test('dollars are told exactly, and without an exponent', () => {
  expect([0, 1, 59, 1_050_000, 1_000_000_000, 7_499_999_400_000].map(toDollars)).toEqual([
    '0',
    '0.000000001',
    '0.000000059',
    '0.00105',
    '1',
    '7499.9994',
  ])
})
