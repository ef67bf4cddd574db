import { describe, expect, test } from 'vitest'
import { planAnswer } from '#libs/providers'

describe('an example value', () => {
  test.each([
    [{ type: 'integer', minimum: 5 }, 5],
    [{ type: 'integer', exclusiveMinimum: 5 }, 6],
    [{ type: 'integer', maximum: -3 }, -3],
    [{ type: 'integer', exclusiveMaximum: 0 }, -1],
    [{ type: 'integer', minimum: 4, multipleOf: 3 }, 6],
    [{ type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 }, 0.5],
    [{ type: 'number', minimum: 0, maximum: 0 }, 0],
    [{ type: 'string', minLength: 8 }, 'lorem ip'],
    [{ type: 'string', maxLength: 2 }, 'lo'],
    [{ type: 'string', format: 'email' }, 'lorem@example.com'],
    [{ type: ['string', 'null'] }, 'lorem'],
    [{ enum: ['\u2028 and more', 'b'] }, '\u2028 and more'],
    [{ const: 7 }, 7],
    [{ type: 'boolean' }, true],
    [{ type: 'null' }, null],
    [{ type: 'array', items: { type: 'integer' } }, [1]],
    [{ type: 'array', items: { type: 'integer' }, minItems: 3 }, [1, 1, 1]],
    [{ type: 'array', maxItems: 0 }, []],
    [{ prefixItems: [{ type: 'integer' }, { type: 'null' }], type: 'array' }, [1, null]],
    [{ anyOf: [{ type: 'integer' }, { type: 'null' }] }, 1],
    [{ properties: { a: { type: 'integer' }, b: {} }, required: ['a'] }, { a: 1 }],
    [{ properties: { a: { type: 'integer' }, b: {} } }, { a: 1, b: 'lorem' }],
    [{ $ref: '#/$defs/a~1b', $defs: { 'a/b': { type: 'integer' } } }, 1],
    [{ $ref: '#/nowhere' }, 'lorem'],
    [
      {
        allOf: [{ $ref: '#/$defs/named' }, { properties: { age: { type: 'integer' } }, required: ['age'] }],
        $defs: { named: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] } },
      },
      { name: 'lorem', age: 1 },
    ],
  ])('of %j is %j', (schema, expected) => {
    expect(exampleOf(schema)).toEqual(expected)
  })

  test('of a schema that contains itself ends', () => {
    const list = {
      type: 'object',
      properties: { value: { type: 'integer' }, next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } },
      required: ['value', 'next'],
    }

    expect(JSON.stringify(exampleOf(list))).toMatch(/"next":null\}+$/)
  })

  test.each([
    ['refers to itself', { $ref: '#' }],
    ['branches without an end', { properties: { a: { $ref: '#' }, b: { $ref: '#' } }, required: ['a', 'b'] }],
    ['wants a billion items', { type: 'array', minItems: 1_000_000_000 }],
    ['wants a long string', { type: 'string', minLength: 1_000_000_000 }],
    ['has no value at all', { enum: [] }],
    ['has itself among its parts', { allOf: [{ $ref: '#' }] }],
    ['steps by nothing', { type: 'number', multipleOf: 0 }],
  ])('of a schema that %s stays small', (_, schema) => {
    expect(JSON.stringify(exampleOf(schema)).length).toBeLessThan(100_000)
  })
})

function exampleOf(schema: Record<string, unknown>): unknown {
  const { words } = planAnswer(
    { system: [], messages: [], tools: [], responseFormat: { type: 'json-schema', name: 'example', schema } },
    { tokens: 1 },
  )
  return JSON.parse(words.join(''))
}
