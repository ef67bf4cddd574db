import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { answerTo } from '../faults/verdict.ts'
import { eventually, useGateway } from '../support/gateway.ts'

const root = resolve(import.meta.dirname, '../..')
const guide = readFileSync(join(root, 'docs/guides/websocket.md'), 'utf8')
const [sdk, library, page] = [...guide.matchAll(/^```(?:ts|js)\n([^]*?)^```/gm)].map(([, text = '']) => text)
const gateway = useGateway()
const model = 'lorem?tokens=60&gap_ms=30'
const story = answerTo('Tell me a story', model)

/** Runs a snippet of the guide against the gateway; resolves with what it wrote. */
function run(snippet: string | undefined): Promise<string> {
  // Its imports are found from inside the repository only.
  mkdirSync(join(root, '.cache'), { recursive: true })
  const directory = mkdtempSync(join(root, '.cache/docs-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'snippet.ts')
  const here = String(snippet)
    .replaceAll('127.0.0.1:8080', new URL(gateway().url).host)
    .replaceAll('sim/lorem', `upstream/${model}`)
  writeFileSync(file, here)
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill())
  let written = ''
  child.stdout.on('data', (chunk) => (written += String(chunk)))
  return new Promise((done) => child.on('close', () => done(written)))
}

/** Kills the API in the middle of an answer, and starts it again. */
async function breakOff(): Promise<void> {
  const { simulator, apis } = gateway()
  await eventually('the provider answers', () => simulator.journal().totals.inFlight > 0)
  await sleep(600)
  await apis[0]!.stop('SIGKILL')
  await apis[0]!.restart()
}

test('the snippet for OpenAI’s SDK does what the guide says', async () => {
  expect(await run(sdk)).toBe(story)
})

test('the snippet for ws tells all of an answer, also when the API is killed', async () => {
  const [written] = await Promise.all([run(library), breakOff()])
  expect(written).toBe(story)
})

test('the snippet for a page tells all of an answer, also when the API is killed', async () => {
  const around = `const key = 'none'
    const output = { textContent: '' }
    setInterval(() => requests.size === 0 && process.stdout.write(output.textContent, () => process.exit()), 20)`
  const [written] = await Promise.all([run(`${around}\n${String(page)}`), breakOff()])
  expect(written).toBe(story)
})
