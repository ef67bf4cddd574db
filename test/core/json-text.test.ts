import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  dropTopLevelFields,
  findTopLevelFields,
  maxJsonDepth,
  setTopLevelFields,
  spliceText,
} from '#libs/core'

/** JSON text as people and machines write it: any value, any spacing, keys escaped or not. */
function spell(value: unknown, space: string, escapeKeys: boolean): string {
  if (Array.isArray(value)) {
    return `[${space}${value.map((inner) => spell(inner, space, escapeKeys)).join(`${space},${space}`)}${space}]`
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).map(([key, inner]) => {
    const name = escapeKeys ? escapeAll(key) : JSON.stringify(key)
    return `${name}${space}:${space}${spell(inner, space, escapeKeys)}`
  })
  return `{${space}${members.join(`${space},${space}`)}${space}}`
}

function escapeAll(key: string): string {
  const units = Array.from({ length: key.length }, (_, at) =>
    key.charCodeAt(at).toString(16).padStart(4, '0'),
  )
  return `"${units.map((unit) => `\\u${unit}`).join('')}"`
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

const nasty = fc.constantFrom('"', '\\', '\\"', '{', '}', '[', ']', ',', ':', '"a":1', '\n', '💥', '\u2028')
const text = fc.oneof(
  fc.string(),
  fc.array(nasty).map((pieces) => pieces.join('')),
)
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(text, tie('value'), { maxKeys: 4 }),
  ),
})).value
const space = fc.constantFrom('', ' ', '\n  ', '\t', '\r\n')

describe('findTopLevelFields', () => {
  it('finds the members that JSON.parse finds, in any spelling', () => {
    fc.assert(
      fc.property(fc.dictionary(text, json), space, fc.boolean(), (object, gap, escapeKeys) => {
        const written = gap + spell(object, gap, escapeKeys) + gap
        const fields = findTopLevelFields(written)
        const found = fields?.map(({ name, start, end }) => [name, JSON.parse(written.slice(start, end))])
        expect(found).toEqual(Object.entries(JSON.parse(written) as object))
        for (const { name, keyStart, start, end } of fields ?? []) {
          expect(written.slice(start, end)).toBe(written.slice(start, end).trim())
          expect(JSON.parse(`{${written.slice(keyStart, end)}}`)).toHaveProperty([name])
        }
      }),
    )
  })

  it('says so when the text is no object or does not close', () => {
    fc.assert(
      fc.property(fc.dictionary(text, json), fc.nat(), (object, cut) => {
        const written = JSON.stringify(object)
        expect(findTopLevelFields(written.slice(0, cut % written.length))).toBeUndefined()
        expect(findTopLevelFields(`[${written}]`)).toBeUndefined()
        expect(findTopLevelFields(`${written}}`)).toBeUndefined()
      }),
    )
    for (const other of ['', ' ', 'null', '"{}"', '7', '{]', '{"a":1]', '{} {}']) {
      expect(findTopLevelFields(other)).toBeUndefined()
    }
  })

  it('gives every occurrence of a name, and only the names asked for', () => {
    const written = String.raw`{"a":1,"b":{"a":2},"\u0061": [3] ,"c":"\"a\":4"}`
    const values = findTopLevelFields(written, ['a'])?.map(({ start, end }) => written.slice(start, end))
    expect(values).toEqual(['1', '[3]'])
  })

  it('is linear in strings full of escapes and in depth', () => {
    const escapes = `{"text":"${String.raw`\\\"`.repeat(300_000)}","deep":${'['.repeat(300_000)}${']'.repeat(300_000)}}`
    expect(findTopLevelFields(escapes)?.map((field) => field.name)).toEqual(['text', 'deep'])
  })
})

describe('dropTopLevelFields', () => {
  it('leaves all other members as they were spelled', () => {
    fc.assert(
      fc.property(fc.dictionary(text, json), space, fc.boolean(), (object, gap, escapeKeys) => {
        const names = Object.keys(object).filter((_, at) => at % 2 === 0)
        const left = Object.entries(JSON.parse(spell(object, '', false)) as object)
        const dropped = dropTopLevelFields(gap + spell(object, gap, escapeKeys), names)
        expect(Object.entries(JSON.parse(dropped!) as object)).toEqual(
          left.filter(([name]) => !names.includes(name)),
        )
      }),
    )
    expect(dropTopLevelFields('{ "a" : 1.0, "b":2 , "a":3,"c": 12345678901234567890 }', ['a'])).toBe(
      '{"b":2,"c": 12345678901234567890}',
    )
    expect(dropTopLevelFields('{"a":1}', ['a'])).toBe('{}')
    expect(dropTopLevelFields('[]', ['a'])).toBeUndefined()
  })
})

describe('maxJsonDepth', () => {
  it('is the depth of the value', () => {
    fc.assert(
      fc.property(json, space, (value, gap) => {
        expect(maxJsonDepth(spell(value, gap, false))).toBe(depthOf(value))
      }),
    )
  })

  it('measures what does not close, too', () => {
    expect(maxJsonDepth('['.repeat(100_000))).toBe(100_000)
    expect(maxJsonDepth('["[[[[')).toBe(1)
    expect(maxJsonDepth('['.repeat(100_000), 64)).toBe(65)
    expect(maxJsonDepth('[[]]', 2)).toBe(2)
  })
})

describe('spliceText', () => {
  it('replaces and inserts', () => {
    const edits = [
      { start: 0, end: 0, text: '<' },
      { start: 1, end: 3, text: 'X' },
    ]
    expect(spliceText('abcd', edits)).toBe('<aXd')
    expect(spliceText('abcd', [])).toBe('abcd')
  })
})

describe('setting members', () => {
  it('puts values in place of those that are there, and the others in front', () => {
    const json = '{ "model":"a", "n":1.0, "\\u006dodel":"b" }'
    expect(setTopLevelFields(json, { id: 'x', model: 'm' })).toBe(
      '{"id":"x", "model":"m", "n":1.0, "\\u006dodel":"m" }',
    )
    expect(setTopLevelFields('{ }', { id: 'x', model: null })).toBe('{"id":"x","model":null }')
    expect(setTopLevelFields('[1]', { id: 'x' })).toBeUndefined()
  })
})
