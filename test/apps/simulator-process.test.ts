import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const main = new URL('../../apps/simulator/main.ts', import.meta.url).pathname

test('the simulator says where it answers, obeys its options and leaves on SIGTERM', async () => {
  const child = spawn(process.execPath, [main, '--port', '0', '--tokens', '3', '--gap-ms', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  const url = /http:\S+/.exec(line)?.[0]

  const response = await fetch(`${url}/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'lorem', messages: [{ role: 'user', content: 'Hello' }] }),
  })
  expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'Lorem ipsum dolor.' } }] })

  child.kill('SIGTERM')
  expect(await exited).toEqual([0, null])
})

test.each([
  [['--port', 'http'], '--port must be a whole number, not "http".'],
  [['--speed', '9'], "Unknown option '--speed'"],
])('the simulator does not start with %j and says why', async (args, reason) => {
  const started = promisify(execFile)(process.execPath, [main, ...args])

  await expect(started).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining(reason) })
})
