import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import { describe, expect, it } from 'vitest'

import { GatewayError } from '#libs/core'
import { createLogger } from '#libs/telemetry'

const canary = 'canary-7f3a'

interface LogLine {
  name: string
  rid: string
  req: unknown
  err: { code: string; stack: string[] }
}

function captureLogger() {
  const lines: string[] = []
  const logger = createLogger({
    level: 'info',
    name: 'test',
    destination: { write: (line: string) => void lines.push(line) },
  })
  return { logger, lines, last: () => JSON.parse(lines.at(-1) ?? '{}') as LogLine }
}

describe('the logger', () => {
  it.each([
    { authorization: `Bearer ${canary}` },
    { headers: { 'x-api-key': canary, 'api-key': canary, 'x-goog-api-key': canary } },
    { upstream: { headers: { authorization: canary, cookie: canary } } },
    { provider: { keys: [canary] } },
    { body: { messages: [{ content: canary }] } },
    { run: { messages: [canary], prompt: canary } },
    { request: { body: { input: canary }, headers: { authorization: canary } } },
    { req: { method: 'POST', url: `/v1beta/models?key=${canary}` } },
    { res: { statusCode: 200, payload: canary } },
  ])('prints no key and no prompt of %j', (fields) => {
    const { logger, lines } = captureLogger()
    logger.info(fields, 'something happened')
    expect(lines).toHaveLength(1)
    expect(lines[0]).not.toContain(canary)
  })

  it('hides them in a child logger too, and in an error under any name', () => {
    const { logger, lines } = captureLogger()
    const failure = Object.assign(new Error('no'), { body: canary, options: { headers: canary } })
    logger.child({ authorization: canary, prompt: canary }).info({ failure, bytes: Buffer.from(canary) })
    expect(lines[0]).not.toContain(canary)
    expect(lines[0]).toContain('"message":"no"')
  })

  it('keeps what helps to find a request', () => {
    const { logger, last } = captureLogger()
    logger.info({ req: { id: 'r1', method: 'GET', url: '/v1/models?a=b', ip: '127.0.0.1' }, rid: 'resp_1' })
    expect(last()).toMatchObject({ rid: 'resp_1', name: 'test' })
    expect(last().req).toEqual({ id: 'r1', method: 'GET', path: '/v1/models', ip: '127.0.0.1' })
  })

  it('tells the code and the causes of a gateway error, but no stack and nothing that hangs on a cause', () => {
    const { logger, lines, last } = captureLogger()
    const socket = Object.assign(new Error('connect refused'), { code: 'ECONNREFUSED', body: canary })
    const error = new GatewayError('upstream_unreachable', 'East cannot be reached.', {
      provider: 'east',
      cause: new Error('fetch failed', { cause: socket }),
    })
    logger.warn({ err: error })
    expect(last().err).toEqual({
      name: 'GatewayError',
      code: 'upstream_unreachable',
      message: 'East cannot be reached.',
      status: 502,
      provider: 'east',
      causes: [
        { name: 'Error', message: 'fetch failed' },
        { name: 'Error', code: 'ECONNREFUSED', message: 'connect refused' },
      ],
    })
    expect(lines[0]).not.toContain(canary)
  })

  it('keeps the stack of a failure that nobody foresaw, without its message', () => {
    const { logger, last } = captureLogger()
    logger.error({ err: GatewayError.from(new TypeError('x is not a function')) })
    expect(last().err.code).toBe('internal_error')
    expect(last().err.stack[0]).toContain('logger.test.ts')
  })

  it.each([
    'Incorrect API key provided: sk-proj-abcdefgh1234****wxyz.',
    'Bad header: Bearer abcdefgh1234',
    'API key AIzaSyabcdefgh1234 is not valid',
    'the secret whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD/abcdefgh1234= is void',
  ])('scrubs keys that a provider repeats: %s', (message) => {
    const { logger, lines } = captureLogger()
    logger.error({ err: new GatewayError('upstream_auth_failed', message) })
    expect(lines[0]).not.toContain('abcdefgh1234')
    expect(lines[0]).toContain('[redacted]')
  })

  it('flushes the lines that still wait when the process exits', async () => {
    const program = `import { createLogger } from '#libs/telemetry'
      const logger = createLogger({ level: 'info', name: 'child' })
      for (let index = 0; index < 3; index++) logger.info({ index })
      process.exit(0)`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
    expect(stdout.trim().split('\n')).toHaveLength(3)
  })
})
