import { BadRequestError, NotFoundError } from 'openai'
import { describe, expect, test } from 'vitest'
import { chatLine, useBatchGateway } from '../support/batches.ts'
import { eventually } from '../support/gateway.ts'

const { client, upload, create, ended } = useBatchGateway()

describe('an input that is not right', () => {
  test('fails with every line that is wrong', async () => {
    const { id } = await create([
      chatLine(1),
      '{"custom_id": "broken"',
      '',
      chatLine(1),
      { ...chatLine(3), url: '/v1/embeddings' },
      { ...chatLine(4), method: 'GET' },
      { ...chatLine(5), custom_id: '' },
      { ...chatLine(6), body: [] },
      { ...chatLine(7), body: { ...chatLine(7).body, stream: true } },
      '[]',
      '{"custom_id":"x","method":"POST","url":"/v1/chat/completions","body":{"__proto__":{"a":1}}}',
      { ...chatLine(8), body: { text: 'x'.repeat(200_000) } },
    ])
    const batch = await ended(id)
    expect(batch).toMatchObject({ status: 'failed', request_counts: { completed: 0, failed: 0 } })
    expect(batch.failed_at).toBeGreaterThanOrEqual(batch.created_at)
    expect(batch.errors?.data?.map(({ line, code, param }) => [line, code, param])).toEqual([
      [2, 'invalid_json_line', null],
      [4, 'duplicate_custom_id', 'custom_id'],
      [5, 'mismatched_endpoint', 'url'],
      [6, 'invalid_method', 'method'],
      [7, 'invalid_custom_id', 'custom_id'],
      [8, 'missing_required_parameter', 'body'],
      [9, 'stream_not_supported', 'body.stream'],
      [10, 'invalid_json_line', null],
      [11, 'invalid_json_line', null],
      [12, 'invalid_json_line', null],
    ])
  })

  test.each([
    ['without a request', ['', ' '], 'empty_file'],
    [
      'with too many requests',
      Array.from({ length: 501 }, (_, index) => chatLine(index)),
      'too_many_requests',
    ],
  ])('fails %s', async (_what, lines, code) => {
    const { id } = await create(lines as object[])
    const batch = await ended(id)
    expect([batch.status, batch.errors?.data?.map((error) => error.code)]).toEqual(['failed', [code]])
  })

  test('fails when it is deleted while it is needed', async () => {
    const slow = 'upstream/lorem?tokens=30&gap_ms=100'
    // Longer than what is read at a time, so that there is something left to miss.
    const lines = Array.from({ length: 400 }, (_, index) => ({
      ...chatLine(index, slow),
      body: { ...chatLine(index, slow).body, user: 'x'.repeat(30_000) },
    }))
    const created = await create(lines)
    await eventually(
      'the first runs',
      async () => (await client().batches.retrieve(created.id)).status === 'in_progress',
    )
    await client().files.delete(created.input_file_id)
    const batch = await ended(created.id)
    expect([batch.status, batch.errors?.data?.[0]?.code]).toEqual(['failed', 'input_file_not_found'])
  })
})

describe('a batch that is refused', () => {
  const wrong: [string, object, string][] = [
    ['an unknown endpoint', { endpoint: '/v1/audio/speech' }, 'endpoint'],
    ['no window', { completion_window: undefined }, 'completion_window'],
    ['a window that is too long', { completion_window: '31d' }, 'completion_window'],
    ['an input that is not there', { input_file_id: `file-${'0'.repeat(32)}` }, 'input_file_id'],
    ['an input that is no id', { input_file_id: '../../x' }, 'input_file_id'],
    [
      'too much metadata',
      { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, key) => [key, ''])) },
      'metadata',
    ],
    [
      'an odd life of its results',
      { output_expires_after: { anchor: 'now', seconds: 3_600 } },
      'output_expires_after[anchor]',
    ],
  ]
  test.each(wrong)('has %s', async (_what, options, param) => {
    const error: unknown = await create([chatLine(1)], options).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(BadRequestError)
    expect((error as BadRequestError).param).toBe(param)
  })

  test('has an input of another purpose, or of another tenant', async () => {
    const { id } = await upload([chatLine(1)], 'user_data')
    const batch = { input_file_id: id, endpoint: '/v1/chat/completions', completion_window: '24h' } as const
    await expect(client().batches.create(batch)).rejects.toThrow(/purpose/)
    const foreign = await upload([chatLine(1)])
    await expect(client('sk-second').batches.create({ ...batch, input_file_id: foreign.id })).rejects.toThrow(
      /no file/,
    )
  })

  test('is none of the tenant', async () => {
    const { id } = await create([chatLine(1)])
    await expect(client('sk-second').batches.retrieve(id)).rejects.toThrow(NotFoundError)
    await expect(client('sk-second').batches.cancel(id)).rejects.toThrow(NotFoundError)
    await expect(client().batches.retrieve('batch_x')).rejects.toThrow(NotFoundError)
    expect((await ended(id)).status).toBe('completed')
  })
})
