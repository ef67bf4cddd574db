import { expect, test } from 'vitest'
import { findProviderSpec } from '#libs/providers'

const readOpenAi = (headers: Record<string, string>) => findProviderSpec('openai')?.readHeadroom?.(headers)
const readAnthropic = (headers: Record<string, string>) =>
  findProviderSpec('anthropic')?.readHeadroom?.(headers)

const openAi = (reset: string) => ({
  'x-ratelimit-limit-requests': '60',
  'x-ratelimit-remaining-requests': '59',
  'x-ratelimit-reset-requests': reset,
})

test.each([
  ['1s', 1_000],
  ['6m0s', 360_000],
  ['20ms', 20],
  ['7.66s', 7_660],
  ['1h2m3.5s', 3_723_500],
  ['1d', 86_400_000],
  ['0s', 0],
  ['12', 12_000],
])("OpenAI's reset in %s is %d ms away", (reset, resetMs) => {
  expect(readOpenAi(openAi(reset))).toEqual({ requests: { limit: 60, remaining: 59, resetMs } })
})

test.each(['soon', '', '5 minutes', '1s1', `${'9'.repeat(30)}s`, '2026-11-20T12:00:00Z'])(
  'a reset of %j tells nothing',
  (reset) => {
    expect(readOpenAi(openAi(reset))).toEqual({})
  },
)

test('requests and tokens are told apart, and a limit may be missing', () => {
  const headers = {
    ...openAi('1s'),
    'x-ratelimit-remaining-tokens': '149984',
    'x-ratelimit-reset-tokens': '6s',
  }
  expect(readOpenAi(headers)).toEqual({
    requests: { limit: 60, remaining: 59, resetMs: 1_000 },
    tokens: { remaining: 149_984, resetMs: 6_000 },
  })
  expect(readOpenAi({})).toEqual({})
})

test("Anthropic's headers have times, and kinds of tokens", () => {
  const reset = new Date(Date.now() + 5_000).toISOString()
  const told = readAnthropic({
    'anthropic-ratelimit-requests-limit': '50',
    'anthropic-ratelimit-requests-remaining': '0',
    'anthropic-ratelimit-requests-reset': reset,
    'anthropic-ratelimit-output-tokens-limit': '8000',
    'anthropic-ratelimit-output-tokens-remaining': '7000',
    'anthropic-ratelimit-output-tokens-reset': '2020-01-01T00:00:00Z',
    'anthropic-ratelimit-input-tokens-remaining': '1',
    'anthropic-ratelimit-input-tokens-reset': 'tomorrow',
  })
  expect(told).toEqual({
    requests: { limit: 50, remaining: 0, resetMs: expect.closeTo(5_000, -3) as number },
    output_tokens: { limit: 8_000, remaining: 7_000, resetMs: 0 },
  })
})
