import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { expect, onTestFinished, test } from 'vitest'
import { startGateway } from '../support/gateway.ts'
import { callApi } from '../support/http.ts'

const root = resolve(import.meta.dirname, '../..')
const guide = readFileSync(join(root, 'docs/guides/webhooks.md'), 'utf8')
const [receiver = '', verification = ''] = [...guide.matchAll(/^```js\n([^]*?)^```/gm)].map(
  ([, code]) => code,
)

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

test('the receiver of the guide for webhooks is told of a response, and prints it', async () => {
  const port = await findFreePort()
  const webhooks = { allow_http: true, allow_private: true, ports: [port], schedule_ms: [100, 500, 2_000] }
  const gateway = await startGateway({ config: { webhooks } })
  onTestFinished(() => gateway.close())
  const endpoint = { name: 'mine', url: `http://127.0.0.1:${port}/`, event_types: ['response.completed'] }
  const { json } = await callApi(`${gateway.url}/v1/webhook_endpoints`, { body: endpoint })

  const code = receiver
    .replace('http://127.0.0.1:8080', gateway.url)
    .replace('listen(4000)', `listen(${port})`)
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: root,
    env: { WEBHOOK_SECRET: String(json.signing_secret) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill())
  const body = { model: 'sim/lorem?tokens=5', input: 'Write the report', background: true }
  await callApi(`${gateway.url}/v1/responses`, { body })
  const [printed] = (await once(child.stdout, 'data')) as [Buffer]
  expect(String(printed)).toMatch(/^lorem ipsum/i)
})

test('the package of the guide verifies by its one line', () => {
  const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
  const body = '{"type":"job.completed"}'
  const now = new Date()
  const headers = {
    'webhook-id': 'evt_1',
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign('evt_1', now, body),
  }
  const given = `const body = ${JSON.stringify(body)}; const headers = ${JSON.stringify(headers)}\n`
  const code = `${given}${verification}console.log(event.type)`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: root,
    env: { WEBHOOK_SECRET: secret },
    encoding: 'utf8',
  })
  expect(stdout).toBe('job.completed\n')
})
