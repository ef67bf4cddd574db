import { describe, expect, it } from 'vitest'
import { renameFields } from '#libs/core'

describe('renameFields', () => {
  it.each([
    ['{"a":1,"b":2,"c":3}', { a: null, b: null }, '{"c":3}'],
    ['{"a":1,"b":2,"c":3}', { b: null, c: null }, '{"a":1}'],
    ['{ "a" : 1.0 , "b" : 12345678901234567890 }', { a: 'z' }, '{"z":1.0,"b" : 12345678901234567890}'],
    ['{"a":{"b":[1,"}"]}}', { a: 'z' }, '{"z":{"b":[1,"}"]}}'],
    ['{"a":1,"z":2}', { a: 'z' }, '{"z":2}'],
    ['{"a":1}', { a: null }, '{}'],
  ])('makes of %s with %j: %s', (json, names, result) => {
    expect(renameFields(json, names)).toBe(result)
  })

  it('leaves alone what has none of the names outermost, and what is no object', () => {
    for (const json of ['{ "x": {"a":1} }', '[{"a":1}]', '{"a":']) {
      expect(renameFields(json, { a: null })).toBe(json)
    }
    expect(renameFields('{"constructor":1}', {})).toBe('{"constructor":1}')
  })
})
