/** As much as is used here of the packages that only `npm ci --prefix test/browser` brings. */
declare module '@sparticuz/chromium' {
  const chromium: { readonly args: string[]; executablePath(): Promise<string> }
  // oxlint-disable-next-line import/no-default-export
  export default chromium
}

declare module 'puppeteer-core' {
  interface ElementHandle {
    click(): Promise<void>
  }
  interface Page {
    goto(url: string): Promise<unknown>
    reload(): Promise<unknown>
    waitForSelector(selector: string): Promise<ElementHandle | null>
    $$eval<T>(selector: string, read: (found: { textContent: string | null }[]) => T): Promise<T>
  }
  interface Browser {
    newPage(): Promise<Page>
    close(): Promise<void>
  }
  export function launch(options: {
    args: string[]
    executablePath: string
    headless: 'shell'
  }): Promise<Browser>
}
