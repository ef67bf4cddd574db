import { createRouter, idleTarget, type RouterOptions, type TargetView } from '#libs/routing'
import { describe, expect, test } from 'vitest'

type Target = RouterOptions['models'][number]['targets'][number]

/** A router with one model `m`, whose targets fare as told by their names. */
function routerOf(
  routing: string,
  views: Record<string, Partial<TargetView>>,
  settings: Record<string, Partial<Target>> = {},
  options: Partial<RouterOptions> = {},
) {
  const targets = Object.keys(views).map((name) => {
    return { provider: 'p', model: name, weight: 1, ...settings[name] }
  })
  return createRouter({
    models: [{ name: 'm', routing, targets }],
    providers: [],
    random: () => 0,
    look: ({ model }) => ({ ...idleTarget, ...views[model] }),
    ...options,
  })
}

/** The names of the candidates, in their order. */
function order(...args: Parameters<typeof routerOf>): string {
  return routerOf(...args)
    .candidates('m')
    .map(({ model }) => model)
    .join(' ')
}

function shares(...args: Parameters<typeof routerOf>): Record<string, number> {
  const [routing, views, settings, options] = args
  const router = routerOf(routing, views, settings, { random: Math.random, ...options })
  const counts: Record<string, number> = {}
  for (let call = 0; call < 1_000; call += 1) {
    const { model } = router.choose('m')
    counts[model] = (counts[model] ?? 0) + 1
  }
  return counts
}

test('least-busy takes the one with the fewest calls, and weight decides between equals', () => {
  expect(order('least-busy', { a: { inFlight: 5 }, b: { inFlight: 2 }, c: { inFlight: 9 } })).toBe('b a c')
  const { a = 0, b = 0 } = shares('least-busy', { a: {}, b: {} }, { a: { weight: 3 } })
  expect(a / b).toBeGreaterThan(2)
})

describe('lowest-latency', () => {
  test('shares among those that are nearly as quick as the quickest', () => {
    const views = { a: { latencyMs: 100 }, b: { latencyMs: 115 }, c: { latencyMs: 300 } }

    expect(order('lowest-latency', views)).toBe('a b c')
    const { a = 0, b = 0, c = 0 } = shares('lowest-latency', views)
    expect(Math.min(a, b)).toBeGreaterThan(350)
    expect(c).toBe(0)
  })

  test('tries what it does not know, and what was slow when it was ill', () => {
    const { b = 0 } = shares('lowest-latency', { a: { latencyMs: 100 }, b: {} })
    expect(b).toBeGreaterThan(350)

    const views = { a: { latencyMs: 100 }, b: { latencyMs: 90_000, circuit: 'half-open' as const } }
    expect(shares('lowest-latency', views).b).toBeGreaterThan(350)
  })
})

test('lowest-cost takes the cheapest, and what has no price last', () => {
  const price = ({ model }: { model: string }): number | undefined => ({ a: 2, b: 0 })[model]
  expect(order('lowest-cost', { c: {}, a: {}, b: {} }, {}, { price })).toBe('b a c')
})

describe('usage-based', () => {
  test('takes the one with the largest part of its limits left, whichever limit is nearest', () => {
    const views = {
      a: { requestsThisMinute: 50, tokensThisMinute: 100 },
      b: { requestsThisMinute: 60, tokensThisMinute: 90_000 },
      c: { requestsThisMinute: 100 },
    }
    const limits = { limits: { requestsPerMinute: 100, tokensPerMinute: 100_000 } }
    expect(order('usage-based', views, { a: limits, b: limits, c: limits })).toBe('a b c')
  })

  test('goes by tokens where one has no limits, and who is at its limit comes last', () => {
    const views = {
      a: { tokensThisMinute: 500 },
      b: { tokensThisMinute: 400 },
      full: { requestsThisMinute: 5 },
    }
    const settings = { full: { limits: { requestsPerMinute: 5 } } }
    expect(order('usage-based', views, settings)).toBe('b a full')
  })
})

test('cache-aware goes by load as long as no cache is known', () => {
  expect(order('cache-aware', { a: { inFlight: 5 }, b: {} })).toBe('b a')
})

describe('a target that can not be called', () => {
  const untilMs = 2_000

  test('comes last, the soonest first: of its order if it is at its limits, of all if it is ill', () => {
    const views = {
      late: { circuit: 'open' as const, untilMs: 9_000 },
      soon: { circuit: 'open' as const, untilMs },
      limited: { isResting: true, untilMs: 5_000 },
      well: {},
      spare: {},
    }
    expect(order('priority', views, { spare: { order: 2 } })).toBe('well limited spare soon late')
  })

  test('is still the one to call where there is no other', () => {
    expect(order('load-balance', { a: { circuit: 'open', untilMs } })).toBe('a')
  })

  test('gets the requests that may try it, and no more', () => {
    let left = 1
    const takeProbe = (): boolean => left-- > 0
    const router = routerOf('priority', { ill: { circuit: 'half-open' }, well: {} }, {}, { takeProbe })

    expect(router.choose('m').model).toBe('ill')
    expect(router.candidates('m').map(({ model }) => model)).toEqual(['well', 'ill'])
  })

  test('is not tried as long as there are better ones', () => {
    let asked = 0
    const takeProbe = (): boolean => (asked += 1) > 0
    const views = { well: {}, ill: { circuit: 'half-open' as const } }

    expect(order('priority', views, {}, { takeProbe })).toBe('well ill')
    expect(asked).toBe(0)
  })
})
