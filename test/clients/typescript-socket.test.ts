import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createSocketClient, readWebhook } from '../../clients/typescript/src/index.ts'
import { type ChaosProxy, startChaosProxy } from '../support/chaos-proxy.ts'
import { useGateway } from '../support/gateway.ts'

describe('the socket client', () => {
  const gateway = useGateway({ config: { keys: [{ key: 'sk-first', tenant: 'first' }] } })
  let line: ChaosProxy
  beforeAll(async () => {
    line = await startChaosProxy(Number(new URL(gateway().url).port))
  })
  afterAll(() => line.close())
  beforeEach(async () => {
    await gateway().simulator.idle()
    gateway().simulator.reset()
  })
  const connect = (apiKey = 'sk-first') =>
    createSocketClient({ baseUrl: `http://127.0.0.1:${line.port}`, apiKey })
  const body = {
    model: 'upstream/lorem?tokens=40&gap_ms=20',
    messages: [{ role: 'user', content: 'Tell me a story' }],
  }

  test('gets several answers at once, through a connection that breaks', async () => {
    const client = connect()
    const requests = Array.from({ length: 3 }, () => client.request(body))
    const heard = await Promise.all(
      requests.map(async (request, index) => {
        const seqs: number[] = []
        for await (const { seq } of request) {
          seqs.push(seq)
          if (index === 0 && seq % 15 === 14) line.reset()
        }
        return seqs
      }),
    )
    for (const seqs of heard) {
      expect(seqs.length).toBeGreaterThanOrEqual(40)
      expect(seqs).toEqual(seqs.map((_seq, index) => index))
    }
    const told = (await Array.fromAsync(client.subscribe(await requests[0]!.runId))).length
    expect(told).toBe(heard[0]!.length)
    expect(await requests[1]!.answer).toMatchObject({
      content: [{ type: 'text', text: expect.stringMatching(/^Lorem ipsum/) }],
    })
    client.close()
    expect(gateway().simulator.journal().totals.calls).toBe(3)
  })

  test('cancels', async () => {
    const client = connect()
    const request = client.request(body)
    const reading = (async () => {
      for await (const { seq } of request) if (seq === 3) request.cancel()
    })()
    await expect(reading).rejects.toMatchObject({ name: 'MillraceError', code: 'cancelled' })
    client.close()
  })

  test('tells what was refused', async () => {
    const client = connect()
    const asking = Array.fromAsync(client.request({ ...body, model: 'nope' }))
    await expect(asking).rejects.toMatchObject({ name: 'MillraceError', code: 'model_not_found' })
    client.close()
    const stranger = connect('sk-nobody')
    await expect(stranger.request(body).answer).rejects.toMatchObject({ status: 401 })
    stranger.close()
  })
})

test('a webhook is read if its sender is proven', () => {
  const secret = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`
  const event = { id: 'evt_1', type: 'response.completed', created_at: 1, data: { id: 'resp_1' } }
  const body = JSON.stringify(event)
  const headers = {
    'webhook-id': 'evt_1',
    'webhook-timestamp': String(Math.floor(Date.now() / 1000)),
    'webhook-signature': new Webhook(secret).sign('evt_1', new Date(), body),
  }
  expect(readWebhook(body, new Headers(headers), secret)).toEqual(event)
  expect(() => readWebhook(`${body} `, headers, secret)).toThrow(/signature/)
})
