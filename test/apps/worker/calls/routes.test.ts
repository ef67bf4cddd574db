import { expect, test } from 'vitest'
import { loadConfig } from '#config'
import { providerSpecs } from '#libs/providers'
import { idleTarget } from '#libs/routing'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { createRoutes, type Routes } from '../../../../apps/worker/calls/routes.ts'
import { makeRunSpec } from '../../../support/runs.ts'

let routes: Routes
let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-routes-'))
  const path = join(directory, 'millrace.yaml')
  const provider = { type: 'openai-compatible', base_url: 'http://127.0.0.1:1/v1' }
  const claude = { type: 'anthropic', keys: [{ name: 'main', value: 'sk-1' }] }
  const config = {
    providers: { p: provider, q: provider, claude },
    model_defaults: {
      timeouts: { first_byte_ms: 1, idle_ms: 1 },
      retries: { server_error: 5 },
      fallbacks: { default: ['last'], content_policy: [] },
    },
    models: [
      {
        name: 'm',
        timeouts: { idle_ms: 2 },
        retries: { default: 3 },
        routing: 'priority',
        targets: [
          { provider: 'p', model: 'one', order: 2 },
          { provider: 'q', model: 'two', timeouts: { total_ms: 3 }, retries: 0 },
          { provider: 'q', model: 'three' },
        ],
        fallbacks: { context_window: ['long'] },
      },
      { name: 'long', targets: [{ provider: 'p', model: 'long' }] },
      { name: 'last', targets: [{ provider: 'claude', model: 'last' }] },
      { name: 'w-*', targets: [{ provider: 'p', model: '*', retries: 7 }] },
    ],
  }
  await writeFile(path, JSON.stringify(config))
  const loaded = loadConfig({ path, environment: {}, providerSpecs })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
  routes = createRoutes(loaded.config, {
    health: { look: () => idleTarget },
    prices: { priceOf: () => undefined },
  })
})

afterAll(() => rm(directory, { recursive: true }))

const specOf = (model: string, provider = 'p', target = 'one') => ({
  ...makeRunSpec(),
  model,
  provider,
  target,
})

test('the candidates come tier by tier, and then those of the fallbacks', () => {
  expect(routes.tiersOf(specOf('m'), ['long', 'gone', 'last'])).toEqual([
    [
      { provider: 'q', model: 'two' },
      { provider: 'q', model: 'three' },
    ],
    [{ provider: 'p', model: 'one' }],
    [{ provider: 'p', model: 'long', fallback: 'long' }],
    [{ provider: 'claude', model: 'last', fallback: 'last' }],
  ])
})

test('a provider that cannot answer a kind of request is no candidate for it', () => {
  const embeddings = { ...specOf('long'), dialect: 'openai-embeddings' }
  expect(routes.tiersOf(embeddings, ['last']).flat()).toEqual([{ provider: 'p', model: 'long' }])
})

test('an error has its list of fallbacks, else the default, and the request beats both', () => {
  const spec = specOf('m')
  expect(routes.fallbacksOf(spec, 'context_length_exceeded')).toEqual(['long'])
  expect(routes.fallbacksOf(spec, 'content_policy')).toEqual([])
  expect(routes.fallbacksOf(spec, 'upstream_error')).toEqual(['last'])
  expect(routes.fallbacksOf(spec, undefined)).toEqual(['last'])
  expect(routes.fallbacksOf({ ...spec, fallbacks: ['x'] }, 'content_policy')).toEqual(['x'])
})

test('what a target says goes before its model, and that before the defaults', () => {
  const two = routes.policyOf(specOf('m', 'q', 'two'))
  expect(two.timeouts).toEqual({ firstByteMs: 1, idleMs: 2, totalMs: 3 })
  expect(two.retriesAfter('upstream_error')).toBe(0)
  expect(routes.policyOf(specOf('m', 'q', 'three')).retriesAfter('upstream_error')).toBe(3)
  expect(routes.policyOf(specOf('long', 'p', 'long')).retriesAfter('upstream_error')).toBe(5)
  expect(routes.policyOf(specOf('w-x', 'p', 'x')).retriesAfter('upstream_error')).toBe(7)
  expect(routes.policyOf({ ...specOf('m', 'p', 'long'), fallback: 'long' }).timeouts).toEqual({
    firstByteMs: 1,
    idleMs: 1,
  })
})
