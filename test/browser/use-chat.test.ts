import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { useGateway } from '../support/gateway.ts'
import type { ChatApp } from './chat-app.ts'
import type { Browser } from './open-browser.ts'

const isInstalled = existsSync(resolve(import.meta.dirname, 'node_modules/puppeteer-core'))
/** In the name, so that who sees it skipped sees what to do. */
const needed = isInstalled ? '' : ' (skipped: run `npm ci --prefix test/browser` first)'

describe.skipIf(!isInstalled)(`useChat of the AI SDK in a browser${needed}`, () => {
  const gateway = useGateway()
  let app: ChatApp
  let browser: Browser
  beforeAll(async () => {
    const { startChatApp } = await import('./chat-app.ts')
    const { openBrowser } = await import('./open-browser.ts')
    app = await startChatApp(gateway().url, 'upstream/lorem?tokens=80&gap_ms=40')
    browser = await openBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await app?.close()
  })

  test('resumes its answer through reloads of the page in the middle of it', async () => {
    const page = await browser.newPage()
    const words = async () => (await page.read('.assistant')).split(' ').filter((word) => word !== '').length
    await page.goto(app.url)
    await page.click('button')
    await expect.poll(words, { timeout: 10_000 }).toBeGreaterThan(10)
    await page.reload()
    await expect.poll(words, { timeout: 10_000 }).toBeGreaterThan(25)
    expect(await words()).toBeLessThan(80)
    await page.reload()
    await expect.poll(() => page.read('#status'), { timeout: 10_000 }).toBe('ready')

    const told = await page.read('.assistant')
    expect(told.split(' ')).toHaveLength(80)
    expect(told).toMatch(/^Lorem ipsum/)
    expect(await page.read('.user')).toBe('Tell me a story')
    expect(gateway().simulator.journal().totals).toMatchObject({ calls: 1, closedBy: { finished: 1 } })
  })
})
