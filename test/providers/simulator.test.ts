import { describe, expect, test } from 'vitest'
import type { CanonicalRequest, Part } from '#libs/core'
import { GatewayError } from '#libs/core'
import { parseSimulatorModel, planAnswer, simulator } from '#libs/providers'

const weather = {
  name: 'weather',
  parameters: {
    type: 'object',
    properties: {
      city: { type: 'string' },
      days: { type: 'integer', minimum: 2 },
      unit: { enum: ['c', 'f'] },
    },
    required: ['city', 'days', 'unit'],
  },
}

describe('a model name', () => {
  test('says how the model behaves', () => {
    expect(parseSimulatorModel('lorem?tokens=5&ttft_ms=7&gap_ms=0&fail=429&at=3&retry_after_ms=90')).toEqual({
      tokens: 5,
      ttftMs: 7,
      gapMs: 0,
      fault: { kind: 429, at: 3, retryAfterMs: 90 },
    })
  })

  test('without a query streams at a pace that can be seen', () => {
    expect(parseSimulatorModel('lorem')).toEqual({ tokens: 64, ttftMs: 0, gapMs: 10 })
  })

  test.each([
    'lorem?speed=1',
    'lorem?__proto__=1',
    'lorem?tokens=0',
    'lorem?tokens=-1',
    'lorem?tokens=1.5',
    'lorem?tokens=1e9',
    'lorem?tokens=',
    'lorem?gap_ms=9999999999',
    'lorem?fail=418',
    'lorem?fail=',
    'lorem?at=3',
    'lorem?retry_after_ms=3',
    'lorem?fail=500&times=0',
  ])('such as %s is an invalid request', (model) => {
    expect(() => parseSimulatorModel(model)).toThrowError(
      expect.objectContaining({ code: 'invalid_request', param: 'model' }),
    )
  })

  test('other than lorem is not found', () => {
    expect(() => parseSimulatorModel('gpt-4o')).toThrowError(
      expect.objectContaining({ code: 'model_not_found' }),
    )
  })
})

describe('a plan', () => {
  test('is the same for the same prompt and another for another', () => {
    const plan = planAnswer(ask('one'), { tokens: 64 })

    expect(planAnswer(ask('one'), { tokens: 64 })).toEqual(plan)
    expect(planAnswer(ask('two'), { tokens: 64 }).words).not.toEqual(plan.words)
    expect(plan.words).toHaveLength(64)
    expect(plan.words.join('')).toMatch(/^Lorem ipsum dolor sit amet, .*\.$/)
    expect(plan).toMatchObject({ finish: 'stop', outputTokens: 64 })
    expect(plan.inputTokens).toBeGreaterThan(0)
  })

  test('stops at the largest number of tokens that was allowed', () => {
    const plan = planAnswer(ask('one', { maxOutputTokens: 3 }), { tokens: 64 })

    expect(plan).toMatchObject({ words: ['Lorem', ' ipsum', ' dolor'], finish: 'length', outputTokens: 3 })
  })

  test('calls the first tool with arguments that its schema accepts', () => {
    const plan = planAnswer(ask('one', { tools: [weather] }), { tokens: 64 })

    expect(plan).toMatchObject({ toolCall: { name: 'weather' }, finish: 'tool_calls' })
    expect(plan.words.length).toBeGreaterThan(1)
    expect(JSON.parse(plan.words.join(''))).toEqual({ city: 'lorem', days: 2, unit: 'c' })
  })

  test('calls the tool that was chosen', () => {
    const tools = [weather, { name: 'clock', parameters: {} }]

    const plan = planAnswer(ask('one', { tools, toolChoice: { name: 'clock' } }), { tokens: 64 })

    expect(plan.toolCall?.name).toBe('clock')
    expect(plan.words.join('')).toBe('{}')
  })

  test('calls no tool when told so, nor after a tool has answered', () => {
    const answered = ask('one', { tools: [weather] })
    answered.messages.push({ role: 'tool', toolCallId: 'call_1', content: [{ type: 'text', text: 'rain' }] })

    expect(planAnswer(answered, { tokens: 64 }).toolCall).toBeUndefined()
    expect(planAnswer(ask('one', { tools: [weather], toolChoice: 'none' }), { tokens: 64 }).finish).toBe(
      'stop',
    )
  })

  test('is JSON when JSON is asked for', () => {
    const schema = weather.parameters
    const bySchema = planAnswer(
      ask('one', { responseFormat: { type: 'json-schema', name: 'weather', schema } }),
      { tokens: 64 },
    )
    const free = planAnswer(ask('one', { responseFormat: { type: 'json' } }), { tokens: 2 })

    expect(JSON.parse(bySchema.words.join(''))).toEqual({ city: 'lorem', days: 2, unit: 'c' })
    expect(JSON.parse(free.words.join(''))).toEqual({ answer: 'Lorem ipsum.' })
  })
})

describe('the built-in provider', () => {
  test('streams the planned words with their usage', async () => {
    const request = ask('one', { model: 'lorem?gap_ms=0' })

    const parts = await collect(request)

    expect(parts.slice(0, 2)).toEqual([{ type: 'start', model: request.model }, { type: 'text-start' }])
    expect(textOf(parts)).toBe(planAnswer(request, { tokens: 64 }).words.join(''))
    expect(parts.at(-1)).toMatchObject({
      type: 'finish',
      reason: { unified: 'stop', raw: 'stop' },
      usage: { outputTokens: 64 },
    })
  })

  test('streams a tool call in pieces', async () => {
    const parts = await collect(ask('one', { model: 'lorem?gap_ms=0', tools: [weather] }))

    expect(parts[1]).toMatchObject({ type: 'tool-call-start', index: 0, name: 'weather' })
    const pieces = parts.flatMap((part) => (part.type === 'tool-call-delta' ? [part.arguments] : []))
    expect(JSON.parse(pieces.join(''))).toEqual({ city: 'lorem', days: 2, unit: 'c' })
    expect(parts.at(-1)).toMatchObject({ type: 'finish', reason: { unified: 'tool_calls' } })
  })

  test('keeps its pace', async () => {
    const startedAtMs = performance.now()

    await collect(ask('one', { model: 'lorem?tokens=5&ttft_ms=40&gap_ms=10' }))

    // Node counts timers in whole milliseconds, each of which may be up to one early.
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(75)
  })

  test.each([
    [400, 'invalid_request'],
    [401, 'upstream_auth_failed'],
    [429, 'rate_limit_exceeded'],
    [500, 'upstream_error'],
    [503, 'upstream_error'],
    [529, 'upstream_error'],
  ])('fails with %i before its first part', async (status, code) => {
    const { parts, error } = await collectUntilError(`lorem?fail=${status}&retry_after_ms=1500`)

    expect(parts).toEqual([])
    expect(error).toMatchObject({ code, status, retryAfterMs: 1500, provider: 'simulator' })
  })

  test('fails before its first part when the connection is reset at once', async () => {
    const { parts, error } = await collectUntilError('lorem?fail=reset')

    expect(parts).toEqual([])
    expect(error).toMatchObject({ code: 'upstream_outcome_unknown' })
  })

  test.each([
    ['reset', 'upstream_incomplete'],
    ['error', 'upstream_error'],
    ['503', 'upstream_error'],
  ])('breaks off by %s after the tokens before it', async (kind, code) => {
    const { parts, error } = await collectUntilError(`lorem?gap_ms=0&fail=${kind}&at=2`)

    expect(textOf(parts)).toBe('Lorem ipsum')
    expect(error).toMatchObject({ code })
  })

  test('ends without a finish when truncated', async () => {
    const parts = await collect(ask('one', { model: 'lorem?gap_ms=0&fail=truncate&at=2' }))

    expect(parts.at(-1)).toEqual({ type: 'text-delta', text: ' ipsum' })
  })

  test('fails after the last token when the fault lies beyond it', async () => {
    const { parts, error } = await collectUntilError('lorem?tokens=2&gap_ms=0&fail=reset&at=50')

    expect(textOf(parts)).toBe('Lorem ipsum.')
    expect(error).toMatchObject({ code: 'upstream_incomplete' })
  })

  test.each(['lorem?gap_ms=0&fail=stall&at=2', 'lorem?tokens=3&gap_ms=3600000'])(
    '%s waits until it is aborted and then throws the reason',
    async (model) => {
      const controller = new AbortController()
      const reason = new GatewayError('upstream_timeout', 'Too slow.')
      const parts = simulator.builtIn!.stream(ask('one', { model }), controller.signal)

      const error = await (async () => {
        for await (const part of parts) {
          if (part.type === 'text-delta') setImmediate(() => controller.abort(reason))
        }
      })().catch((caught: unknown) => caught)

      expect(error).toBe(reason)
    },
  )

  test('refuses what it would have to remember from one call to the next', async () => {
    const { error } = await collectUntilError('lorem?fail=500&times=1')

    expect(error).toMatchObject({ code: 'invalid_request', param: 'model' })
  })

  test('stops a burst when it is aborted in the middle', async () => {
    const controller = new AbortController()
    let seen = 0

    const reading = (async () => {
      for await (const part of simulator.builtIn!.stream(
        ask('one', { model: 'lorem?gap_ms=0' }),
        controller.signal,
      )) {
        if (part.type === 'text-delta' && ++seen === 3) controller.abort()
      }
    })()

    await expect(reading).rejects.toMatchObject({ name: 'AbortError' })
    expect(seen).toBe(3)
  })
})

function ask(text: string, more: Partial<CanonicalRequest> = {}): CanonicalRequest {
  return {
    model: 'lorem',
    system: [],
    messages: [{ role: 'user', content: [{ type: 'text', text }] }],
    tools: [],
    stop: [],
    extensions: {},
    ...more,
  }
}

function collect(request: CanonicalRequest): Promise<Part[]> {
  return Array.fromAsync(simulator.builtIn!.stream(request, new AbortController().signal))
}

async function collectUntilError(model: string): Promise<{ parts: Part[]; error: unknown }> {
  const parts: Part[] = []
  try {
    for await (const part of simulator.builtIn!.stream(ask('one', { model }), new AbortController().signal)) {
      parts.push(part)
    }
  } catch (error) {
    return { parts, error }
  }
  throw new Error('The stream was expected to fail.')
}

function textOf(parts: Part[]): string {
  return parts.map((part) => (part.type === 'text-delta' ? part.text : '')).join('')
}
