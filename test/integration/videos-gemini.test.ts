import type { ServerResponse } from 'node:http'
import OpenAI from 'openai'
import { beforeEach, expect, test } from 'vitest'
import { eventually } from '../support/gateway.ts'
import { key, upstreamKey, useGeminiGateway } from '../support/gemini-gateway.ts'

const { gateway, upstream } = useGeminiGateway()
const model = 'google/veo-3.1-generate-preview'
const operation = 'models/veo-3.1-generate-preview/operations/abc123'
const film = Buffer.alloc(3_000_000, 'film')
let client: OpenAI
beforeEach(() => {
  client = new OpenAI({ apiKey: key, baseURL: `${gateway().url}/v1`, maxRetries: 0 })
})

const json = (body: object) => (response: ServerResponse) =>
  void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))

async function done(id: string): Promise<OpenAI.Video> {
  let video = await client.videos.retrieve(id)
  await eventually(
    'the video is made',
    async () => /completed|failed/.test((video = await client.videos.retrieve(id)).status),
    20_000,
  )
  return video
}

test('Veo makes what was asked for in OpenAI’s words', async () => {
  const uri = 'https://generativelanguage.googleapis.com/v1beta/files/f-1:download?alt=media'
  upstream().answers.push(
    json({ name: operation }),
    json({ name: operation }),
    (response) => void response.writeHead(503).end(),
    json({
      name: operation,
      done: true,
      response: { generateVideoResponse: { generatedSamples: [{ video: { uri } }] } },
    }),
    (response) =>
      void response.writeHead(302, { location: '/download/v1beta/files/f-1:download?alt=media' }).end(),
    (response) => void response.writeHead(200, { 'content-type': 'video/mp4' }).end(film),
  )
  const { id } = await client.videos.create({
    model,
    prompt: 'A river',
    seconds: '8',
    size: '720x1280',
    input_reference: { image_url: 'data:image/png;base64,AAAA' },
  })
  expect(await done(id)).toMatchObject({ status: 'completed', seconds: '8', size: '720x1280' })
  const content = await client.videos.downloadContent(id)
  expect(Buffer.from(await content.arrayBuffer()).equals(film)).toBe(true)
  await expect(client.videos.downloadContent(id, { variant: 'thumbnail' })).rejects.toMatchObject({
    status: 404,
    param: 'variant',
  })
  const { calls } = upstream()
  expect(calls.map(({ path }) => path)).toEqual([
    '/v1beta/models/veo-3.1-generate-preview:predictLongRunning',
    `/v1beta/${operation}`,
    `/v1beta/${operation}`,
    `/v1beta/${operation}`,
    '/v1beta/files/f-1:download?alt=media',
    '/download/v1beta/files/f-1:download?alt=media',
  ])
  expect(calls.every(({ headers }) => headers['x-goog-api-key'] === upstreamKey)).toBe(true)
  expect(JSON.parse(calls[0]!.body)).toEqual({
    instances: [{ prompt: 'A river', image: { bytesBase64Encoded: 'AAAA', mimeType: 'image/png' } }],
    parameters: { aspectRatio: '9:16', resolution: '720p', durationSeconds: 8 },
  })
})

test('a worker that dies while it asks is followed by another one', async () => {
  const reached = Promise.withResolvers<void>()
  const uri = 'https://generativelanguage.googleapis.com/v1beta/files/f-2:download?alt=media'
  const response = { generateVideoResponse: { generatedSamples: [{ video: { uri } }] } }
  upstream().answers.push(
    json({ name: operation }),
    () => reached.resolve(),
    json({ name: operation, done: true, response }),
    (answer) => void answer.writeHead(200, { 'content-type': 'video/mp4' }).end(film),
  )
  const { id } = await client.videos.create({ model, prompt: 'A river' })
  await reached.promise
  const [worker] = gateway().workers
  await worker?.stop('SIGKILL')
  await worker?.restart()
  const isMade = async () => (await client.videos.retrieve(id)).status === 'completed'
  await eventually('it is made', isMade, 60_000)
  const begun = upstream().calls.filter(({ path }) => path.endsWith(':predictLongRunning'))
  expect(begun).toHaveLength(1)
}, 90_000)

test.each([
  [
    'refuses',
    { response: { generateVideoResponse: { raiMediaFilteredReasons: ['No violence.'] } } },
    'content_policy',
  ],
  ['fails', { error: { code: 13, message: 'Internal.' } }, 'upstream_error'],
])('tells why Veo %s', async (_, end, code) => {
  upstream().answers.push(json({ name: operation }), json({ name: operation, done: true, ...end }))
  const { id } = await client.videos.create({ model, prompt: 'A river' })
  expect(await done(id)).toMatchObject({ status: 'failed', error: { code } })
})

test.each([
  [{ size: '1792x1024' as const }, /720x1280/],
  [{ input_reference: { image_url: 'https://example.com/cat.png' } }, /data URL/],
])('refuses what Veo can’t take, and calls nobody: %j', async (fields, message) => {
  const { id } = await client.videos.create({ model, prompt: 'A river', ...fields })
  expect(await done(id)).toMatchObject({
    status: 'failed',
    error: { code: 'invalid_request', message: expect.stringMatching(message) },
  })
  expect(upstream().calls).toEqual([])
})

test.each([{}, { name: '../../secrets' }, { name: 'models/m/operations/a/../../b' }])(
  'does not follow an operation that is called %j',
  async (started) => {
    upstream().answers.push(json(started))
    const { id } = await client.videos.create({ model, prompt: 'A river' })
    expect(await done(id)).toMatchObject({ status: 'failed', error: { code: 'upstream_protocol_error' } })
    expect(upstream().calls).toHaveLength(1)
  },
)
