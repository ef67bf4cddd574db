import { createHash, createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import type { CanonicalRequest } from '#libs/core'
import { bedrock, connectProvider, type ConnectedProvider } from '#libs/providers'
import { errorOf, never, serve } from './support.ts'

const timeouts = { connectMs: 5000, firstByteMs: 5000, idleMs: 5000, totalMs: 10_000 }
const call = {
  path: '/model/us.anthropic.claude-x-v1%3A0/converse-stream',
  body: '{"messages":[]}',
  rid: 'r',
}

let provider: ConnectedProvider | undefined
afterEach(() => provider?.close())

/** What the server got: the request, and the signature that it should have. */
async function send(key: string | undefined): Promise<{ request: IncomingMessage; expected: string }> {
  let seen: IncomingMessage | undefined
  const host = await serve((request, response) => {
    seen = request
    request.resume()
    response.end('{}')
  })
  const options = { region: 'eu-west-3' }
  provider = connectProvider(bedrock, { name: 'aws', baseUrl: `http://${host}`, options, timeouts })
  await provider.send({ ...call, key }, never)
  if (seen === undefined) throw new Error('nothing was sent')
  return { request: seen, expected: signatureOf(seen, 'secret/+=') }
}

/** SigV4 once more, after https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. */
function signatureOf({ headers, url = '' }: IncomingMessage, secret: string): string {
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const sha = (text: string) => createHash('sha256').update(text).digest('hex')
  const names = /SignedHeaders=([^,]+)/.exec(headers.authorization ?? '')?.[1]?.split(';') ?? []
  const path = url.split('/').map(encodeURIComponent).join('/')
  const lines = names.map((name) => `${name}:${String(headers[name])}\n`).join('')
  const canonical = ['POST', path, '', lines, names.join(';'), sha(call.body)].join('\n')
  const time = String(headers['x-amz-date'])
  const scope = `${time.slice(0, 8)}/eu-west-3/bedrock/aws4_request`
  const text = ['AWS4-HMAC-SHA256', time, scope, sha(canonical)].join('\n')
  const day = hmac(`AWS4${secret}`, time.slice(0, 8))
  return hmac(hmac(hmac(hmac(day, 'eu-west-3'), 'bedrock'), 'aws4_request'), text).toString('hex')
}

describe('a call to Bedrock', () => {
  test('is signed with a key of AWS, as AWS computes it', async () => {
    const { request, expected } = await send('AKIDEXAMPLE:secret/+=')

    expect(request.headers.authorization).toContain('Credential=AKIDEXAMPLE/')
    expect(request.headers.authorization).toContain(`Signature=${expected}`)
    expect(request.headers.authorization).toContain('content-type;host;')
  })

  test('tells the token of a key that has one', async () => {
    const { request, expected } = await send('AKIDEXAMPLE:secret/+=:session')

    expect(request.headers['x-amz-security-token']).toBe('session')
    expect(request.headers.authorization).toContain(`Signature=${expected}`)
  })

  test('bears a key of its own', async () => {
    expect((await send('bedrock-api-key')).request.headers.authorization).toBe('Bearer bedrock-api-key')
  })

  test('without a key is signed with what the SDK finds, and is not sent when that is nothing', async () => {
    const before = { ...process.env }
    try {
      process.env.AWS_ACCESS_KEY_ID = 'AKIDFOUND'
      process.env.AWS_SECRET_ACCESS_KEY = 'secret/+='
      const { request, expected } = await send(undefined)
      expect(request.headers.authorization).toContain('Credential=AKIDFOUND/')
      expect(request.headers.authorization).toContain(`Signature=${expected}`)
      await provider?.close()

      delete process.env.AWS_ACCESS_KEY_ID
      process.env.AWS_EC2_METADATA_DISABLED = 'true'
      process.env.AWS_CONFIG_FILE = process.env.AWS_SHARED_CREDENTIALS_FILE = '/dev/null'
      const error = await errorOf(send(undefined))
      expect(error).toMatchObject({ code: 'upstream_auth_failed', provider: 'aws' })
    } finally {
      process.env = before
    }
  })
})

describe('a request to Bedrock', () => {
  const question: CanonicalRequest = {
    model: 'us.anthropic.claude-x',
    system: [],
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
    tools: [],
    stop: [],
    extensions: {},
  }
  const bodyOf = (request: Partial<CanonicalRequest>) =>
    JSON.parse(bedrock.adapter?.toRequest({ ...question, ...request }).body ?? '') as Record<string, unknown>

  test("tells effort and top_k in the words of the model's maker", () => {
    const asked = { reasoning: { effort: 'high' }, topK: 5 }
    expect(bodyOf(asked).additionalModelRequestFields).toEqual({
      top_k: 5,
      thinking: { type: 'adaptive' },
      output_config: { effort: 'high' },
    })
    expect(bodyOf({ ...asked, model: 'amazon.nova-2-lite-v1:0' }).additionalModelRequestFields).toEqual({
      inferenceConfig: { topK: 5 },
      reasoningConfig: { type: 'enabled', maxReasoningEffort: 'high' },
    })
    expect(bodyOf({ ...asked, model: 'openai.gpt-oss-120b-1:0' }).additionalModelRequestFields).toEqual({
      top_k: 5,
      reasoning_effort: 'high',
    })
  })

  test.each<[what: string, request: Partial<CanonicalRequest>, param: string]>([
    ['logprobs', { logprobs: { top: 1 } }, 'logprobs'],
    ['JSON without a schema', { responseFormat: { type: 'json' } }, 'response_format'],
    ['effort of an unknown maker', { model: 'm', reasoning: { effort: 'low' } }, 'reasoning_effort'],
    [
      'an image by its address',
      { messages: [{ role: 'user', content: [{ type: 'image', source: { url: 'https://x.test/a.png' } }] }] },
      'messages',
    ],
    [
      'audio',
      { messages: [{ role: 'user', content: [{ type: 'audio', source: { data: 'AA==' } }] }] },
      'messages',
    ],
  ])('with %s is refused before it is sent', (_, request, param) => {
    expect(() => bodyOf(request)).toThrow(expect.objectContaining({ code: 'invalid_request', param }))
  })
})
