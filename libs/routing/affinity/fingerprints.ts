import { hash } from 'node:crypto'
import type { CanonicalRequest } from '#libs/core'

/** The beginning of a prompt, up to the end of one of its messages. */
export interface Prefix {
  /** 96 bits. The same beginning has another one for each tenant, and nothing can be read from it. */
  digest: string
  /** From the prompt's start, roughly. */
  tokens: number
}

/** What a prompt is recognized by. */
export interface Fingerprints {
  /** By which earlier requests may have kept what this one repeats; the longest first. */
  known: readonly Prefix[]
  /** By which later requests will find this one; the longest, the whole prompt, first. */
  kept: readonly Prefix[]
  /** The conversation, by the name that the client gave it; its tokens are the whole prompt's. */
  session: Prefix | undefined
}

/** What fingerprints are taken of. */
export interface Fingerprinted {
  tenant: string
  /** Undefined where the request is no chat, or can't be read. */
  prompt: Pick<CanonicalRequest, 'system' | 'tools' | 'messages' | 'responseFormat'> | undefined
  /** The client's own name for the conversation. */
  session: string | undefined
}

/** A request follows the last one of its conversation by a few messages, unless an agent made many in between. */
const lastMessages = 16
/** Of six bits. */
const digestCharacters = 16

/** `salt` is the same in all processes; `estimateTokens` weighs a piece of a prompt. */
export function createFingerprinter({
  salt,
  estimateTokens,
}: {
  salt: string
  estimateTokens: (piece: unknown) => number
}): (taken: Fingerprinted) => Fingerprints {
  const begin = (tenant: string, kind: string): string => follow('', [salt, tenant, kind])

  return ({ tenant, prompt, session }) => {
    const { known, kept } =
      prompt === undefined ? { known: [], kept: [] } : readPrefixes(begin(tenant, 'prefix'), prompt)
    return {
      known,
      kept,
      session: session === undefined ? undefined : toPrefix(session, tenant, kept[0]?.tokens ?? 0),
    }
  }

  function toPrefix(session: string, tenant: string, tokens: number): Prefix {
    return { digest: toDigest(follow(begin(tenant, 'session'), session)), tokens }
  }

  function readPrefixes(
    start: string,
    { system, tools, responseFormat, messages }: NonNullable<Fingerprinted['prompt']>,
  ): Pick<Fingerprints, 'known' | 'kept'> {
    const head = [withoutMarkers(tools), withoutMarkers(system), responseFormat]
    const turns = messages.map((message) => ({ ...message, content: withoutMarkers(message.content) }))
    const known: Prefix[] = []
    const kept: Prefix[] = []
    let running = start
    let tokens = 0
    for (const [length, piece] of [head, ...turns].entries()) {
      running = follow(running, piece)
      tokens += estimateTokens(piece)
      const isKept = length === turns.length || isPowerOfTwo(length)
      if (!isKept && length < turns.length - lastMessages) continue
      const prefix = { digest: toDigest(running), tokens: Math.ceil(tokens) }
      known.unshift(prefix)
      if (isKept) kept.unshift(prefix)
    }
    return { known, kept }
  }
}

/** Marks of what to keep move on with each turn, and change nothing in what was said before. */
function withoutMarkers(contents: readonly object[]): object[] {
  return contents.map((content) => ({ ...content, cache: undefined }))
}

/** And 0, which stands for what comes before the first message. */
function isPowerOfTwo(value: number): boolean {
  return (value & (value - 1)) === 0
}

/** Each piece is hashed with all that came before it, and only once. */
function follow(before: string, piece: unknown): string {
  return hash('sha256', before + JSON.stringify(piece), 'base64url')
}

function toDigest(text: string): string {
  return text.slice(0, digestCharacters)
}
