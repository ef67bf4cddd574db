import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseForm, withoutBoundary, type Media } from '#libs/core'

const boundary = 'a-boundary'

function form(body: string | Buffer, type = `multipart/form-data; boundary=${boundary}`): Media {
  return { type, bytes: Buffer.from(body) }
}

/** Written apart from the parser, part by part. */
function encode(fields: readonly { name: string; value: Buffer; file?: string }[], mark = boundary): Buffer {
  const parts = fields.map(({ name, value, file }) =>
    Buffer.concat([
      Buffer.from(`--${mark}\r\nContent-Disposition: form-data; name="${name}"`),
      Buffer.from(
        file === undefined ? '\r\n\r\n' : `; filename="${file}"\r\nContent-Type: audio/wav\r\n\r\n`,
      ),
      value,
      Buffer.from('\r\n'),
    ]),
  )
  return Buffer.concat([...parts, Buffer.from(`--${mark}--\r\n`)])
}

const field = fc.record(
  {
    name: fc.stringMatching(/^[\w[\]. -]{1,20}$/),
    value: fc
      .oneof(
        fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        fc.string({ unit: 'grapheme' }).map((text) => Buffer.from(text)),
        fc.constantFrom('\r\n', '\r\n--', '--a-boundar', '\r\n\r\n', '--').map((text) => Buffer.from(text)),
      )
      .filter((value) => !value.includes(boundary)),
    file: fc.stringMatching(/^[\w ;=']{0,20}$/),
  },
  { requiredKeys: ['name', 'value'] },
)

describe('parseForm', () => {
  test('finds each field where it was written, whatever bytes it has', () => {
    fc.assert(
      fc.property(fc.array(field, { maxLength: 8 }), (fields) => {
        const { bytes, type } = form(encode(fields))
        const found = parseForm({ bytes, type }).map(({ name, isFile, start, end }) => ({
          name,
          isFile,
          value: bytes.toString('hex', start, end),
        }))

        expect(found).toEqual(
          fields.map(({ name, value, file }) => ({
            name,
            isFile: file !== undefined,
            value: value.toString('hex'),
          })),
        )
      }),
    )
  })

  test('sees the fields that the platform sees, or refuses the form', async () => {
    const pieces = fc.constantFrom(
      '--a-boundary',
      '--',
      '\r\n',
      '\n',
      '\r\n\r\n',
      'Content-Disposition: form-data; name="model"',
      'content-disposition: form-data; name=x',
      '; filename="f"',
      '; name="model"',
      ' ',
      'v',
      '"',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(pieces, { maxLength: 14 }), async (between) => {
        const start = '--a-boundary\r\nContent-Disposition: form-data; name="model"'
        const { bytes, type } = form(`${start}${between.join('')}\r\n--a-boundary--\r\n`)
        let mine: string[]
        try {
          mine = parseForm({ bytes, type }).map(
            ({ name, start, end }) => `${name}=${bytes.toString('utf8', start, end)}`,
          )
        } catch {
          return
        }
        const read = await new Response(new Uint8Array(bytes), { headers: { 'content-type': type } })
          .formData()
          .catch(() => undefined)
        if (read === undefined) return
        const theirs = [...read].map(
          async ([name, value]) => `${name}=${typeof value === 'string' ? value : await value.text()}`,
        )
        expect(mine).toEqual(await Promise.all(theirs))
      }),
      { numRuns: 2000 },
    )
  })

  test('takes a quoted boundary, a file name with quotes in it, and names in UTF-8', () => {
    const disposition = 'form-data; name="größe"; filename="a\\"; name=\\"model.wav"'
    const body = `--a b\r\ncontent-type: x/y\r\nContent-Disposition: ${disposition}\r\n\r\n1\r\n--a b--`

    expect(parseForm(form(body, 'multipart/form-data; boundary="a b"'))).toMatchObject([
      { name: 'größe', isFile: true },
    ])
  })

  test('heeds no charset in the type', () => {
    const body = encode([{ name: 'model', value: Buffer.from('m') }])
    for (const type of [
      'multipart/form-data; charset=utf-8; boundary=a-boundary',
      'multipart/form-data;boundary="a-boundary"; charset=UTF-8',
    ]) {
      expect(parseForm(form(body, type))).toMatchObject([{ name: 'model' }])
    }
  })

  const head = 'Content-Disposition: form-data; name="a"'
  test.each([
    ['no boundary in the type', `--x\r\n${head}\r\n\r\n1\r\n--x--`, 'multipart/form-data'],
    ['two of them', `--x\r\n${head}\r\n\r\n1\r\n--x--`, 'multipart/form-data; boundary=y; boundary=x'],
    ['a blank in a bare one', `--x y\r\n${head}\r\n\r\n1\r\n--x y--`, 'multipart/form-data; boundary=x y'],
    ['a third parameter', `--x\r\n${head}\r\n\r\n1\r\n--x--`, 'multipart/form-data; boundary=x; y=z'],
    ['another than in the body', `--x\r\n${head}\r\n\r\n1\r\n--x--`],
    ['something before the first', ` --a-boundary\r\n${head}\r\n\r\n1\r\n--a-boundary--`],
    ['no last one', `--a-boundary\r\n${head}\r\n\r\n1\r\n`],
    ['one in the middle of a line', `--a-boundary\r\n${head}\r\n\r\n1 --a-boundary--`],
    ['one right behind the headers', `--a-boundary\r\n${head}\r\n\r\n--a-boundary--`],
    ['one among the headers', `--a-boundary\r\nx: y\r\n--a-boundary\r\n${head}\r\n\r\n1\r\n--a-boundary--`],
    ['one with more behind it', `--a-boundary\r\n${head}\r\n\r\n1\r\n--a-boundaryz\r\n--a-boundary--`],
    ['a part without a name', '--a-boundary\r\nContent-Disposition: form-data\r\n\r\n1\r\n--a-boundary--'],
    ['a name twice', `--a-boundary\r\n${head}; name="b"\r\n\r\n1\r\n--a-boundary--`],
    ['two dispositions', `--a-boundary\r\n${head}\r\n${head}\r\n\r\n1\r\n--a-boundary--`],
    ['a folded header', `--a-boundary\r\n${head}\r\n ; filename="f"\r\n\r\n1\r\n--a-boundary--`],
    ['endless headers', `--a-boundary\r\n${head}\r\nx: ${'y'.repeat(20_000)}\r\n\r\n1\r\n--a-boundary--`],
    ['too many parts', `--a-boundary\r\n${head}\r\n\r\n1\r\n`.repeat(300)],
    ['nothing at all', ''],
  ])('refuses %s', (_, body, type?: string) => {
    expect(() => parseForm(form(body, type))).toThrow(/The form in the body cannot be read: /)
  })
})

test('the same form under two boundaries is the same without them', () => {
  const fields = [{ name: 'model', value: Buffer.from('m') }]
  const other = form(encode(fields, 'other'), 'multipart/form-data; boundary=other')

  expect(withoutBoundary(other)).toBe(withoutBoundary(form(encode(fields))))
})
