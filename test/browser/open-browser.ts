import chromium from '@sparticuz/chromium'
import { launch } from 'puppeteer-core'

/** A page of a real browser. */
export interface Page {
  goto(url: string): Promise<void>
  reload(): Promise<void>
  click(selector: string): Promise<void>
  /** The text of the first element that the selector finds; empty if there is none. */
  read(selector: string): Promise<string>
}

export interface Browser {
  newPage(): Promise<Page>
  close(): Promise<void>
}

/** A headless Chromium that comes with the npm package of its name. */
export async function openBrowser(): Promise<Browser> {
  const browser = await launch({
    args: chromium.args,
    executablePath: await chromium.executablePath(),
    headless: 'shell',
  })
  return {
    async newPage() {
      const page = await browser.newPage()
      return {
        async goto(url) {
          await page.goto(url)
        },
        async reload() {
          await page.reload()
        },
        async click(selector) {
          const found = await page.waitForSelector(selector)
          await found?.click()
        },
        read: (selector) => page.$$eval(selector, ([first]) => first?.textContent ?? ''),
      }
    },
    close: () => browser.close(),
  }
}
