import OpenAI, { NotFoundError, toFile } from 'openai'
import { beforeEach, describe, expect, test } from 'vitest'
import { eventually, useGateway } from '../support/gateway.ts'
import { callApi } from '../support/http.ts'

/** Takes a second at the provider. */
const model = 'openai/lorem?tokens=10&gap_ms=100'
const long = 'openai/lorem?tokens=1000&gap_ms=100'
const gateway = useGateway({
  apis: 2,
  workers: 2,
  config: {
    keys: [
      { key: 'sk-first', tenant: 'first' },
      { key: 'sk-other', tenant: 'other' },
    ],
    providers: {
      openai: { type: 'openai', keys: [{ name: 'main', value: 'sk-upstream' }], concurrency: 1 },
      wide: { type: 'openai', keys: [{ name: 'main', value: 'sk-upstream' }] },
      sim: { type: 'simulator', base_url: undefined },
    },
  },
})
let client: OpenAI
beforeEach(() => {
  gateway().simulator.reset()
  client = new OpenAI({ apiKey: 'sk-first', baseURL: `${gateway().url}/v1`, maxRetries: 0 })
})
const starts = () => gateway().simulator.journal().totals.calls
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYPj/HwADAgH/p3Vv5QAAAABJRU5ErkJggg==',
  'base64',
)

async function done(id: string): Promise<OpenAI.Video> {
  let video = await client.videos.retrieve(id)
  await eventually(
    'the video is made',
    async () => {
      video = await client.videos.retrieve(id)
      return video.status === 'completed' || video.status === 'failed'
    },
    30_000,
  )
  return video
}

describe.each([
  ['a server of OpenAI’s videos', model],
  ['the built-in simulator', 'sim/lorem?tokens=10&gap_ms=20'],
])('the openai package, with %s', (_, asked) => {
  test('creates a video, sees it being made, and reads it whole and in ranges', async () => {
    const created = await client.videos.create({
      model: asked,
      prompt: 'A cat',
      seconds: '8',
      size: '1280x720',
    })
    expect(created).toMatchObject({
      id: expect.stringMatching(/^video_[0-9a-f]{32}$/),
      object: 'video',
      status: expect.stringMatching(/^(?:queued|in_progress)$/),
      model: asked,
      prompt: 'A cat',
      seconds: '8',
      size: '1280x720',
      error: null,
    })
    const video = await done(created.id)
    expect(video).toMatchObject({
      id: created.id,
      prompt: 'A cat',
      size: '1280x720',
      status: 'completed',
      progress: 100,
      completed_at: expect.any(Number),
      error: null,
    })

    const content = await client.videos.downloadContent(created.id)
    expect(content.headers.get('content-type')).toBe('video/mp4')
    const bytes = Buffer.from(await content.arrayBuffer())
    expect(bytes.length).toBe(300_000)
    expect(bytes.toString('latin1', 4, 12)).toBe('ftypisom')
    const part = await client.videos.downloadContent(created.id, {}, { headers: { range: 'bytes=100-199' } })
    expect(part.status).toBe(206)
    expect(part.headers.get('content-range')).toBe('bytes 100-199/300000')
    expect(Buffer.from(await part.arrayBuffer())).toEqual(bytes.subarray(100, 200))
    await (await client.videos.downloadContent(created.id, { variant: 'thumbnail' })).arrayBuffer()

    const job = await callApi(`${gateway().url}/v1/jobs/${created.id}`, {
      headers: { authorization: 'Bearer sk-first' },
    })
    expect(job.json).toMatchObject({
      status: 'completed',
      cost: { nanodollars: null },
      response: { body: video },
    })
    expect(job.json.attempts).toHaveLength(1)
    const other = client.withOptions({ apiKey: 'sk-other' })
    await expect(other.videos.retrieve(created.id)).rejects.toThrow(NotFoundError)
    await expect(other.videos.downloadContent(created.id)).rejects.toThrow(NotFoundError)

    expect(await client.videos.delete(created.id)).toEqual({
      id: created.id,
      object: 'video.deleted',
      deleted: true,
    })
    await expect(client.videos.downloadContent(created.id)).rejects.toThrow(NotFoundError)
  })

  test('is told why a video fails', async () => {
    const { id } = await client.videos.create({ model: asked, prompt: 'Something forbidden' })
    expect(await done(id)).toMatchObject({ status: 'failed', error: { code: 'content_policy' } })
    await expect(client.videos.downloadContent(id)).rejects.toThrow(NotFoundError)
  })
})

test('videos are listed, newest first, and nothing else is', async () => {
  const ids: string[] = []
  for (const prompt of ['One', 'Two', 'Three']) {
    ids.unshift((await client.videos.create({ model, prompt })).id)
    await client.chat.completions.create({
      model: 'upstream/lorem?tokens=1',
      messages: [{ role: 'user', content: '.' }],
    })
  }
  const listed: string[] = []
  for await (const { id } of client.videos.list({ limit: 2 })) listed.push(id)
  expect(listed.slice(0, 3)).toEqual(ids)
  expect(listed.every((id) => id.startsWith('video_'))).toBe(true)
  for (const id of ids) expect((await done(id)).status).toBe('completed')
})

test('a video holds no place at its provider while it is made, which tells how far it is', async () => {
  const videos = [
    await client.videos.create({ model: long, prompt: 'One' }),
    await client.videos.create({ model: long, prompt: 'Two' }),
  ]
  await eventually('both are begun at a provider that has one place', () => starts() === 2)
  const [first] = videos
  const half = await client.videos.create({ model: 'openai/lorem?tokens=30&gap_ms=100', prompt: 'Three' })
  await eventually(
    'progress is told',
    async () => (await client.videos.retrieve(half.id)).progress > 0,
    20_000,
  )
  expect(await client.videos.retrieve(half.id)).toMatchObject({ status: 'in_progress' })
  await expect(client.videos.downloadContent(first!.id)).rejects.toMatchObject({
    status: 409,
    code: 'not_ended',
  })
  for (const { id } of [...videos, half]) {
    const path = `${gateway().url}/v1/videos/${id}/cancel`
    const cancelled = await callApi(path, { method: 'POST', headers: { authorization: 'Bearer sk-first' } })
    expect(cancelled.status).toBe(200)
    expect(await done(id)).toMatchObject({ status: 'failed', error: { code: 'cancelled' } })
  }
})

test('a video is paid for once, whenever the workers are killed', async () => {
  const create = (knobs: string) => client.videos.create({ model: `wide/lorem?${knobs}`, prompt: knobs })
  const asked = await create('tokens=60&gap_ms=100')
  await eventually(
    'one is being made',
    async () => (await client.videos.retrieve(asked.id)).progress > 0,
    20_000,
  )
  const begun = await create('tokens=2&ttft_ms=60000')
  await eventually('another is being begun', () => starts() === 2)
  const { workers } = gateway()
  for (const worker of workers) await worker.stop('SIGKILL')
  for (const worker of workers) await worker.restart()
  expect((await done(asked.id)).status).toBe('completed')
  expect(await done(begun.id)).toMatchObject({
    status: 'failed',
    error: { code: 'upstream_outcome_unknown' },
  })
  expect(starts()).toBe(2)
}, 90_000)

test('a video that is not done by its deadline fails, and is asked for no more', async () => {
  const headers = { 'x-millrace-deadline-ms': '1500' }
  const { id } = await client.videos.create({ model: long, prompt: 'Too long' }, { headers })
  expect(await done(id)).toMatchObject({ status: 'failed', error: { code: 'deadline_exceeded' } })
})

test('an image goes along, as a file or as a data URL', async () => {
  const file = await toFile(png, 'cat.png', { type: 'image/png' })
  const image_url = `data:image/png;base64,${png.toString('base64')}`
  for (const input_reference of [file, { image_url }]) {
    const { id } = await client.videos.create({ model, prompt: 'From this', input_reference })
    expect((await done(id)).status).toBe('completed')
  }
})

describe('refused before anything is written down', () => {
  const url = () => `${gateway().url}/v1/videos`
  const headers = { authorization: 'Bearer sk-first' }
  test.each([
    [{ prompt: 'A cat' }, 'model'],
    [{ model }, 'prompt'],
    [{ model, prompt: 7 }, 'prompt'],
    [{ model, prompt: ' ' }, 'prompt'],
    [{ model, prompt: 'A cat', seconds: 'long' }, 'seconds'],
    [{ model, prompt: 'A cat', size: 'big' }, 'size'],
    [{ model, prompt: 'A cat', input_reference: 'cat.png' }, 'input_reference'],
    [{ model, prompt: 'A cat', input_reference: { file_id: 'file-1' } }, 'input_reference.file_id'],
    [{ model, prompt: 'A cat', input_reference: { image_url: 'file:///etc' } }, 'input_reference.image_url'],
  ])('%j', async (body, param) => {
    const answer = await callApi(url(), { body, headers })
    expect(answer).toMatchObject({ status: 400, json: { error: { code: 'invalid_request', param } } })
  })

  test('a form with what is no image, or with a field that nobody knows', async () => {
    const input_reference = await toFile(Buffer.from('GIF89a'), 'cat.png')
    const refused = client.videos.create({ model, prompt: 'A cat', input_reference })
    await expect(refused).rejects.toMatchObject({ status: 400, param: 'input_reference' })
    const unknown = client.videos.create({
      model,
      prompt: 'A cat',
      style: 'noir',
    } as OpenAI.VideoCreateParams)
    await expect(unknown).rejects.toMatchObject({ status: 400, param: 'style' })
  })

  test('a variant that is none, a remix, and an id of something else', async () => {
    const { id } = await client.videos.create({ model, prompt: 'A cat' })
    await done(id)
    const variant = 'poster' as 'video'
    await expect(client.videos.downloadContent(id, { variant })).rejects.toMatchObject({
      status: 400,
      param: 'variant',
    })
    for (const change of [
      client.videos.remix(id, { prompt: 'A dog' }),
      client.videos.edit({ prompt: 'A dog', video: { id } }),
    ]) {
      await expect(change).rejects.toMatchObject({ status: 400, code: 'invalid_request' })
    }
    for (const unknown of ['video_1', `chatcmpl-${'0'.repeat(32)}`]) {
      await expect(client.videos.retrieve(unknown)).rejects.toThrow(NotFoundError)
    }
  })
})
