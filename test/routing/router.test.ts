import { createRouter, type RouterOptions, type VirtualModel } from '#libs/routing'
import { describe, expect, test } from 'vitest'

function model(name: string, settings: Partial<VirtualModel> = {}): VirtualModel {
  return { name, targets: [{ provider: 'p', model: name, weight: 1 }], ...settings }
}

function routerOf(models: VirtualModel[], options: Partial<RouterOptions> = {}) {
  return createRouter({ models, providers: ['p', 'openai'], random: () => 0, ...options })
}

/** `provider/model` of each candidate. */
function triedFor(models: VirtualModel[], name: string, options: Partial<RouterOptions> = {}): string[] {
  return routerOf(models, options)
    .candidates(name)
    .map((target) => `${target.provider}/${target.model}`)
}

describe('a name is found', () => {
  const wildcards = [
    model('*', { targets: [{ provider: 'any', model: '*', weight: 1 }] }),
    model('claude-*', { targets: [{ provider: 'anthropic', model: 'claude-*', weight: 1 }] }),
    model('claude-opus-*', { targets: [{ provider: 'anthropic', model: 'best', weight: 1 }] }),
  ]

  test('as it is written, before any alias and wildcard', () => {
    const models = [...wildcards, model('a', { aliases: [{ name: 'claude-b', hidden: false }] }), model('b')]

    expect(triedFor(models, 'b')).toEqual(['p/b'])
    expect(triedFor(models, 'claude-b')).toEqual(['p/a'])
    expect(routerOf(models).servedBy('claude-b')).toBe('a')
  })

  test('by the most specific wildcard, wherever that is listed', () => {
    expect(triedFor(wildcards, 'claude-opus-4')).toEqual(['anthropic/best'])
    expect(triedFor(wildcards, 'claude-haiku')).toEqual(['anthropic/claude-haiku'])
    expect(triedFor(wildcards, 'gpt')).toEqual(['any/gpt'])
  })

  test('by a wildcard whose characters count as in LiteLLM, where the escaped ones count twice', () => {
    const models = ['a.b.*', 'abcde*'].map((name) => model(name, { aliases: [] }))

    // `a\.b\.(.*)` has ten characters, and `abcde(.*)` nine.
    expect(routerOf([...models, model('a.b.c*')]).servedBy('a.b.cx')).toBe('a.b.c*')
    expect(routerOf([model('aaaa*'), model('a*.*')]).servedBy('aaaa.b')).toBe('a*.*')
  })

  test('by a wildcard that the name goes on behind, and never in the middle of the name', () => {
    const models = [model('*-mini')]

    expect(routerOf(models).servedBy('gpt-mini-2')).toBe('*-mini')
    expect(() => routerOf([model('mini*')]).choose('gpt-mini')).toThrow('does not exist')
  })

  test('as provider/model last', () => {
    expect(triedFor([model('openai/gpt')], 'openai/gpt')).toEqual(['p/openai/gpt'])
    expect(triedFor([], 'openai/org/gpt')).toEqual(['openai/org/gpt'])
    expect(() => routerOf([], { providers: [] }).choose('openai/gpt')).toThrow('does not exist')
  })

  test('or not at all, with the nearest name as a hint', () => {
    expect(() => routerOf([model('corporate')]).choose('corprate')).toThrow('Did you mean "corporate"?')
    expect(() => routerOf([model('a\u0000*')]).choose('a\u0000b')).toThrow('does not exist')
    expect(() => routerOf([model('*')]).choose('x'.repeat(201))).toThrow('does not exist')
  })
})

describe('what a star stands for', () => {
  test.each([
    ['fills the star of the target', 'openai/*', '*', 'openai/gpt-4', 'gpt-4'],
    ['fills several stars in their order', '*/team-*', 'x-*-y-*', 'a/team-b', 'x-a-y-b'],
    ['is dropped by a target without one', 'claude-*', 'fixed', 'claude-3', 'fixed'],
    ['makes way for the whole name where there are too few', '*/team-*', 'x-*', 'a/team-b', 'a/team-b'],
    ['is put in as it is, dollar signs too', 'a*', '*', 'a$&$1', '$&$1'],
  ])('%s', (_, name, target, asked, expected) => {
    const models = [model(name, { targets: [{ provider: 'up', model: target, weight: 1 }] })]

    expect(triedFor(models, asked)).toEqual([`up/${expected}`])
  })
})

describe('targets are tried', () => {
  const targets = [
    { provider: 'p', model: 'second', weight: 1, order: 2 },
    { provider: 'p', model: 'a', weight: 1 },
    { provider: 'p', model: 'b', weight: 3 },
    { provider: 'p', model: 'never', weight: 0 },
  ]

  test('order by order, and within one by weight, each once', () => {
    const models = [model('m', { targets })]

    expect(triedFor(models, 'm', { random: () => 0 })).toEqual(['p/a', 'p/b', 'p/second'])
    expect(triedFor(models, 'm', { random: () => 0.99 })).toEqual(['p/b', 'p/a', 'p/second'])
  })

  test('with a share of the first calls that goes by their weights', () => {
    const router = routerOf([model('m', { targets })], { random: Math.random })
    const first = Array.from({ length: 4000 }, () => router.choose('m').model)

    const share = first.filter((name) => name === 'b').length / first.length
    expect(share).toBeGreaterThan(0.7)
    expect(share).toBeLessThan(0.8)
    expect(new Set(first)).toEqual(new Set(['a', 'b']))
  })

  test('as they are listed where the routing is priority', () => {
    const models = [model('m', { targets, routing: 'priority' })]

    expect(triedFor(models, 'm', { random: () => 0.99 })).toEqual(['p/a', 'p/b', 'p/second'])
  })
})

test('hidden names are not listed, and can be asked for', () => {
  const aliases = [
    { name: 'shown-alias', hidden: false },
    { name: 'hidden-alias', hidden: true },
  ]
  const router = routerOf([model('a', { aliases }), model('b', { hidden: true })])

  expect(router.names).toEqual(['a', 'shown-alias'])
  expect(router.choose('b').model).toBe('b')
  expect(router.choose('hidden-alias').model).toBe('a')
})

test('a model that is not available says why, is not listed, and leaves its name to no wildcard', () => {
  const router = routerOf([model('*'), model('old', { targets: [], unavailable: 'ask for new' })])

  expect(() => router.choose('old')).toThrow('The model "old" is not available: ask for new')
  expect(router.names).toEqual(['*'])
})
