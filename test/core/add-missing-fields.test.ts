import { expect, it } from 'vitest'
import { addMissingFields } from '#libs/core'

it.each([
  ['{ "b": 1.0 }', { a: 'x' }, '{"a":"x", "b": 1.0 }'],
  ['{"b":{"a":1}}', { a: 'x', c: '"' }, '{"a":"x","c":"\\"","b":{"a":1}}'],
  [' { } ', { a: 'x' }, ' {"a":"x" } '],
  ['{"\\u0061":null}', { a: 'x' }, '{"\\u0061":null}'],
  ['{"b":1}', {}, '{"b":1}'],
  ['[1]', { a: 'x' }, '[1]'],
])('%s with %j is %s', (json, values, result) => {
  expect(addMissingFields(json, values)).toBe(result)
})
