import { expect, test } from 'vitest'
import { createNameFilter, matchesName } from '#libs/core'

test.each([
  ['gpt-5', 'gpt-5', true],
  ['gpt-5-mini', 'gpt-5', false],
  ['gpt-5', 'gpt-*', true],
  ['my-gpt-5', 'gpt-*', false],
  ['gpt-5-mini', '*-mini', true],
  ['gpt-5-mini-2', '*-mini', false],
  ['openai/gpt-5-mini', 'openai/*-*', true],
  ['anything', '*', true],
  ['', '*', true],
  ['aa', 'a*a', true],
  ['a', 'a*a', false],
  ['abcabc', '*abc*abc', true],
  ['abc', '*abc*abc', false],
  ['a.c', 'a?c', false],
])('%j is as %j says: %j', (name, pattern, expected) => {
  expect(matchesName(name, pattern)).toBe(expected)
})

test('many stars and a long name take no time', () => {
  const startedMs = performance.now()
  expect(matchesName('a'.repeat(10_000), `${'*a'.repeat(50)}b`)).toBe(false)
  expect(performance.now() - startedMs).toBeLessThan(100)
})

test('without lists all is let in, an empty list of what is allowed lets in nothing, and what is denied stays out', () => {
  expect(createNameFilter()('x')).toBe(true)
  expect(createNameFilter({ allow: [] })('x')).toBe(false)
  expect(createNameFilter({ allow: ['x*'], deny: ['xy'] })('xz')).toBe(true)
  expect(createNameFilter({ allow: ['x*'], deny: ['xy'] })('xy')).toBe(false)
})

test('one name lets in what another name of it denies not', () => {
  const filter = createNameFilter({ allow: ['model'], deny: ['secret'] })
  expect(filter('alias', 'model')).toBe(true)
  expect(filter('model', 'secret')).toBe(false)
})
