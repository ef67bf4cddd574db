import { readFile } from 'node:fs/promises'
import type { AuthClient } from 'google-auth-library'
import type { RequestSigner } from '../provider.ts'
import { readCredentials, readVertexKey, type Credentials } from './credentials.ts'

const scopes = ['https://www.googleapis.com/auth/cloud-platform']
const tokenTimeoutMs = 10_000

type Headers = Record<string, string>

/**
 * Bears a token that Google's SDK gets for the key, or for what it finds by itself. The SDK keeps each until shortly
 * before it expires; calls that come while one is fetched wait for that one. `fetchToken` stands for the SDK's own way to its servers.
 */
export function createVertexSigner(fetchToken?: typeof fetch): RequestSigner {
  const sources = new Map<string | undefined, TokenSource>()

  function sourceFor(key: string | undefined): TokenSource {
    const known = sources.get(key)
    if (known !== undefined) return known
    const read = key === undefined ? undefined : readVertexKey(key)
    const isToken = typeof read === 'object' && 'token' in read
    const made = isToken ? ownToken(read.token) : createTokenSource(() => createClient(read, fetchToken))
    sources.set(key, made)
    return made
  }

  return {
    sign: (_, key) => sourceFor(key).read(),
    renew({ authorization }, key) {
      const source = sourceFor(key)
      // Of many calls whose token was refused, the first makes an end of it.
      if (source.canRenew && source.last === authorization) sources.delete(key)
      return source.canRenew
    },
  }
}

interface TokenSource {
  readonly canRenew: boolean
  /** The header that was given last. */
  readonly last: string | undefined
  read(): Promise<Headers>
}

function ownToken(token: string): TokenSource {
  const authorization = `Bearer ${token}`
  return { canRenew: false, last: authorization, read: async () => ({ authorization }) }
}

function createTokenSource(connect: () => Promise<AuthClient>): TokenSource {
  let client: AuthClient | undefined
  let reading: Promise<Headers> | undefined
  let last: string | undefined

  async function read(): Promise<Headers> {
    client ??= await connect()
    const headers = Object.fromEntries(await client.getRequestHeaders())
    last = headers.authorization
    return headers
  }

  return {
    canRenew: true,
    get last() {
      return last
    },
    read() {
      reading ??= read().finally(() => {
        reading = undefined
      })
      return reading
    },
  }
}

type ClientKey = Exclude<ReturnType<typeof readVertexKey>, { token: string }> | undefined

async function createClient(key: ClientKey, fetchToken: typeof fetch | undefined): Promise<AuthClient> {
  const { GoogleAuth, JWT } = await import('google-auth-library')
  const options = {
    scopes,
    transporterOptions: {
      timeout: tokenTimeoutMs,
      ...(fetchToken !== undefined && { fetchImplementation: fetchToken }),
    },
  }
  const credentials = key === undefined ? undefined : await loadCredentials(key)
  if (credentials?.type === 'service_account') {
    const account = new JWT(options)
    account.fromJSON(credentials)
    return account
  }
  return new GoogleAuth({ scopes, clientOptions: options, ...(credentials && { credentials }) }).getClient()
}

async function loadCredentials(key: Exclude<ClientKey, undefined>): Promise<Credentials> {
  if (typeof key === 'string') throw new TypeError(`The key ${key}.`)
  if ('credentials' in key) return key.credentials
  const found = readCredentials(await readFile(key.file, 'utf8'))
  if (typeof found === 'string') throw new TypeError(`The file of the key ${found}.`)
  return found
}
