import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import type { SignatureV4 } from '@smithy/signature-v4'
import type { OutgoingRequest, ProviderOptions, RequestSigner } from '../provider.ts'

type Credentials = ConstructorParameters<typeof SignatureV4>[0]['credentials']

/** Signs as AWS wants it (SigV4), with the key or with what AWS's SDK finds; a key of Bedrock's own goes as it is. */
export function createBedrockSigner({ region = '' }: ProviderOptions): RequestSigner {
  const signers = new Map<string | undefined, Promise<SignatureV4>>()

  function signerFor(key: string | undefined): Promise<SignatureV4> {
    const known = signers.get(key)
    if (known !== undefined) return known
    const made = createSigner(region, key)
    signers.set(key, made)
    return made
  }

  return {
    async sign(request, key) {
      if (key !== undefined && !key.includes(':')) return { authorization: `Bearer ${key}` }
      const signer = await signerFor(key)
      const { host: _, ...headers } = (await signer.sign(toHttpRequest(request))).headers
      return headers
    },
  }
}

async function createSigner(region: string, key: string | undefined): Promise<SignatureV4> {
  const { SignatureV4 } = await import('@smithy/signature-v4')
  return new SignatureV4({
    service: 'bedrock',
    region,
    credentials: await toCredentials(key),
    sha256: Sha256,
  })
}

async function toCredentials(key: string | undefined): Promise<Credentials> {
  if (key === undefined) {
    const { defaultProvider } = await import('@aws-sdk/credential-provider-node')
    return defaultProvider()
  }
  const [accessKeyId = '', secretAccessKey = '', sessionToken] = key.split(':')
  return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) }
}

/** Only what makes the request is signed: proxies may change other headers. */
function toHttpRequest({ method, url, contentType, body }: OutgoingRequest) {
  return {
    method,
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    headers: { host: url.host, 'content-type': contentType },
    body,
  }
}

/** The signer asks for a class. */
class Sha256 {
  #secret: Uint8Array | string | undefined
  #hash: Hash | Hmac

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#secret = secret === undefined ? undefined : toBytes(secret)
    this.#hash = this.#create()
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(toBytes(data))
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }

  reset(): void {
    this.#hash = this.#create()
  }

  #create(): Hash | Hmac {
    return this.#secret === undefined ? createHash('sha256') : createHmac('sha256', this.#secret)
  }
}

function toBytes(data: string | ArrayBuffer | ArrayBufferView): Uint8Array | string {
  if (typeof data === 'string') return data
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}
