import { beforeEach, expect, test } from 'vitest'
import { useGateway } from '../../support/gateway.ts'
import { callApi } from '../../support/http.ts'

const gateway = useGateway({
  config: {
    models: [
      {
        name: 'short',
        targets: [{ provider: 'upstream', model: 'lorem?tokens=40', params: { max_tokens: 5 } }],
      },
    ],
  },
})
beforeEach(() => gateway().simulator.reset())

/** How many tokens the answer has, since the upstream keeps to what it is asked for. */
async function tokensOf(path: string, body: object): Promise<number> {
  const messages = [{ role: 'user', content: 'Hello' }]
  const answer = await callApi(gateway().url + path, { body: { model: 'short', messages, ...body } })
  expect(answer.status).toBe(200)
  const { usage } = answer.json as { usage: Record<string, number> }
  return usage.completion_tokens ?? usage.output_tokens ?? 0
}

test('a target gives a request the parameters that it lacks', async () => {
  expect(await tokensOf('/v1/chat/completions', {})).toBe(5)
})

test('a request\u2019s own parameters win', async () => {
  expect(await tokensOf('/v1/chat/completions', { max_tokens: 9 })).toBe(9)
  expect(await tokensOf('/v1/messages', { max_tokens: 8 })).toBe(8)
})
