import { describe, expect, it } from 'vitest'
import { eventually } from '../../support/gateway.ts'
import { headers, prompt, useAnthropicGateway } from './support.ts'

const { gateway, upstream, client } = useAnthropicGateway()

describe('a message of Anthropic’s', () => {
  it('goes on after a cut where it was, and again from the start', async () => {
    const { url } = gateway()
    const body = JSON.stringify({ ...prompt, model: 'claude/text?hold', stream: true })
    const cut = new AbortController()
    const response = await fetch(`${url}/v1/messages`, { method: 'POST', headers, body, signal: cut.signal })
    const location = response.headers.get('location')!
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    let seen = ''
    while (!seen.includes('wörld')) seen += (await reader.read()).value ?? ''
    cut.abort()
    await reader.read().catch(() => undefined)

    const running = await fetch(url + location, { headers })
    expect(running.status).toBe(202)
    expect(await running.json()).toMatchObject({ type: 'message', status: 'in_progress', stop_reason: null })

    upstream().release()
    const lastId = [...seen.matchAll(/^id: (.+)$/gm)].at(-1)![1]!
    const rest = await fetch(url + location, { headers: { ...headers, 'last-event-id': lastId } }).then((r) =>
      r.text(),
    )
    const whole = await fetch(`${url}${location}?stream=true`, { headers }).then((r) => r.text())
    expect(seen + rest).toBe(whole)
    expect(whole.match(/^event: .+$/gm)).toEqual([
      'event: message_start',
      'event: content_block_start',
      'event: content_block_delta',
      'event: content_block_delta',
      'event: content_block_stop',
      'event: message_delta',
      'event: message_stop',
    ])
    expect(await fetch(url + location, { headers }).then((r) => r.json())).toMatchObject({
      stop_reason: 'end_turn',
    })
  })

  it('ends the provider’s work when the client that wants it so is aborted', async () => {
    const before = upstream().abandoned
    const stream = client().messages.stream(
      { ...prompt, model: 'claude/text?hold' },
      { headers: { 'x-millrace-on-disconnect': 'cancel' } },
    )
    for await (const event of stream) if (event.type === 'content_block_delta') break
    await eventually('the upstream is left', () => upstream().abandoned > before)
    upstream().release()
  })

  it('cancels and deletes a message', async () => {
    const { url } = gateway()
    const body = JSON.stringify({ ...prompt, model: 'claude/text?hold', stream: true })
    const response = await fetch(`${url}/v1/messages`, { method: 'POST', headers, body })
    const at = url + response.headers.get('location')!
    const cancelled = await fetch(`${at}/cancel`, { method: 'POST', headers: { 'x-api-key': 'client-key' } })
    expect(await cancelled.json()).toMatchObject({ type: 'message', status: 'cancelled', stop_reason: null })
    expect(await response.text()).toContain('event: error\ndata: {"type":"error"')
    upstream().release()
    const deleted = await fetch(at, { method: 'DELETE', headers: { 'x-api-key': 'client-key' } })
    expect(await deleted.json()).toMatchObject({ type: 'message_deleted' })
    expect((await fetch(at, { headers })).status).toBe(404)
  })
})
