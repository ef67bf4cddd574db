import { generateKeyPairSync, verify } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { beforeEach, describe, expect, test } from 'vitest'
import { createVertexSigner, vertex, type ConnectedProvider, type ProviderSpec } from '#libs/providers'
import { connect, errorOf, never, serve } from './support.ts'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const account = {
  type: 'service_account',
  project_id: 'p-1',
  private_key_id: 'k1',
  private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  client_email: 'gateway@p-1.iam.gserviceaccount.com',
  client_id: '1',
}
// Over several lines, as Google's console gives it.
const json = JSON.stringify(account, undefined, 2)

/** The assertions that the token endpoint got, and what else it says than a token. */
let assertions: string[]
let answerToken: ((response: ServerResponse) => void) | undefined
/** The tokens of the calls that the provider got. */
let calls: (string | undefined)[]
let refused: Set<string>
let expiresIn: number

beforeEach(() => {
  assertions = []
  calls = []
  refused = new Set()
  answerToken = undefined
  expiresIn = 3599
})

async function connectVertex(): Promise<ConnectedProvider> {
  const tokenHost = await serve(async (request, response) => {
    assertions.push(new URLSearchParams(await text(request)).get('assertion') ?? '')
    response.setHeader('content-type', 'application/json')
    if (answerToken !== undefined) return answerToken(response)
    const token = { access_token: `ya29.${assertions.length}`, expires_in: expiresIn, token_type: 'Bearer' }
    return response.end(JSON.stringify(token))
  })
  const host = await serve((request, response) => {
    request.resume()
    const { authorization } = request.headers
    calls.push(authorization)
    if (refused.has(authorization ?? '')) response.statusCode = 401
    response.end('{}')
  })
  // Google's SDK knows one address alone, whatever the account says.
  const toTestServer: typeof fetch = (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    expect(url.href).toBe('https://oauth2.googleapis.com/token')
    return fetch(`http://${tokenHost}/token`, init)
  }
  const spec: ProviderSpec = { ...vertex, createSigner: () => createVertexSigner(toTestServer) }
  return connect(host, { name: 'gcp', options: { project: 'p-1', location: 'global' } }, spec)
}

const send = (provider: ConnectedProvider, key: string | undefined) =>
  provider.send({ path: '/x', body: '{}', key, rid: 'r' }, never)

describe('a call to Vertex AI', () => {
  test('bears a token that the service account has signed for', async () => {
    await send(await connectVertex(), json)

    expect(calls).toEqual(['Bearer ya29.1'])
    const [head = '', claims = '', signature = ''] = assertions[0]?.split('.') ?? []
    expect(
      verify('sha256', Buffer.from(`${head}.${claims}`), publicKey, Buffer.from(signature, 'base64url')),
    ).toBe(true)
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
      iss: account.client_email,
      scope: 'https://www.googleapis.com/auth/cloud-platform',
      aud: 'https://oauth2.googleapis.com/token',
    })
  })

  test('has the token of the call before it, and calls at once ask for one together', async () => {
    const provider = await connectVertex()

    await Promise.all(Array.from({ length: 5 }, () => send(provider, json)))
    await send(provider, json)

    expect(assertions).toHaveLength(1)
    expect(calls).toEqual(Array(6).fill('Bearer ya29.1'))
  })

  test('has another token when the one before is about to expire', async () => {
    const provider = await connectVertex()

    expiresIn = 60
    await send(provider, json)
    await send(provider, json)

    expect(calls).toEqual(['Bearer ya29.1', 'Bearer ya29.2'])
  })

  test('is made again with another token when the first is refused, which all calls then have', async () => {
    const provider = await connectVertex()

    await send(provider, json)
    refused.add('Bearer ya29.1')
    await Promise.all([send(provider, json), send(provider, json), send(provider, json)])

    expect(assertions).toHaveLength(2)
    expect(calls.filter((token) => token === 'Bearer ya29.2')).toHaveLength(3)
  })

  test('is not made a third time', async () => {
    const provider = await connectVertex()

    refused.add('Bearer ya29.1').add('Bearer ya29.2')

    expect(await errorOf(send(provider, json))).toMatchObject({
      code: 'upstream_auth_failed',
      provider: 'gcp',
    })
    expect(calls).toHaveLength(2)
  })

  test('takes the file that the key names', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-vertex-'))
    try {
      const file = join(directory, 'account.json')
      await writeFile(file, json)
      await send(await connectVertex(), file)
      expect(calls).toEqual(['Bearer ya29.1'])
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  test('bears a token that is the key itself, and has no other', async () => {
    const provider = await connectVertex()

    refused.add('Bearer ya29.own')

    expect(await errorOf(send(provider, 'ya29.own'))).toMatchObject({ code: 'upstream_auth_failed' })
    expect(calls).toEqual(['Bearer ya29.own'])
    expect((await errorOf(send(provider, 'ya29 own'))).message).not.toContain('own')
    expect(calls).toHaveLength(1)
  })

  test('is not sent when there is no token for it, and the next one asks again', async () => {
    const provider = await connectVertex()

    answerToken = (response) =>
      response.writeHead(400).end('{"error":"invalid_grant","error_description":"Invalid JWT Signature."}')
    const error = await errorOf(send(provider, json))
    expect(error).toMatchObject({ code: 'upstream_auth_failed', provider: 'gcp' })
    expect(error.cause).toMatchObject({ message: 'invalid_grant: Invalid JWT Signature.' })
    expect(await errorOf(send(provider, '/nowhere/account.json'))).toMatchObject({
      code: 'upstream_auth_failed',
    })
    expect(calls).toEqual([])

    answerToken = undefined
    await send(provider, json)
    expect(calls).toEqual(['Bearer ya29.2'])
  })

  test('that is cancelled does not wait for its token', async () => {
    const provider = await connectVertex()
    const controller = new AbortController()

    answerToken = () => controller.abort()
    const call = provider.send({ path: '/x', body: '{}', key: json, rid: 'r' }, controller.signal)

    expect(await errorOf(call)).toMatchObject({ code: 'cancelled' })
    expect(calls).toEqual([])
  })

  test('without a key has what Google’s SDK finds', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-vertex-'))
    const before = process.env.GOOGLE_APPLICATION_CREDENTIALS
    try {
      process.env.GOOGLE_APPLICATION_CREDENTIALS = join(directory, 'account.json')
      await writeFile(process.env.GOOGLE_APPLICATION_CREDENTIALS, json)
      await send(await connectVertex(), undefined)
      expect(calls).toEqual(['Bearer ya29.1'])
    } finally {
      if (before === undefined) delete process.env.GOOGLE_APPLICATION_CREDENTIALS
      else process.env.GOOGLE_APPLICATION_CREDENTIALS = before
      await rm(directory, { recursive: true })
    }
  })
})

test.each([
  ['global', 'aiplatform.googleapis.com'],
  ['eu', 'aiplatform.eu.rep.googleapis.com'],
  ['europe-west1', 'europe-west1-aiplatform.googleapis.com'],
])('the location %s is at %s', (location, host) => {
  expect(vertex.toBaseUrlParts?.({ location })).toEqual({ host })
})
