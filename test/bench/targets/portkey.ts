import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { cacheDirectory, findFreePort, runToEnd, startProcess } from '../processes.ts'
import type { Gateway } from './start-target.ts'

const manifest = {
  private: true,
  dependencies: { '@portkey-ai/gateway': '1.15.2' },
  // npx takes the latest, which fails every stream with "TypeError: immutable": Portkey-AI/gateway#1389.
  overrides: { '@hono/node-server': '1.13.7' },
}

/** Portkey's open-source gateway: on Node too, but without a queue, and it stores nothing. */
export async function startPortkey(
  simulator: { baseUrl: string },
  cleanup: AsyncDisposableStack,
): Promise<Gateway> {
  const entry = await installPortkey()
  const port = await findFreePort()
  const gateway = startProcess('portkey', process.execPath, [entry, `--port=${port}`, '--headless'], {
    NODE_ENV: 'production',
    // Its guard against server-side request forgery refuses loopback otherwise.
    TRUSTED_CUSTOM_HOSTS: '127.0.0.1',
  })
  cleanup.defer(() => gateway.stop())
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    headers: { 'x-portkey-provider': 'openai', 'x-portkey-custom-host': simulator.baseUrl },
    roles: { portkey: gateway.pid },
    failures: [gateway.exited],
  }
}

/** Into the cache, once; tells its entry point. */
async function installPortkey(): Promise<string> {
  const directory = join(cacheDirectory, 'portkey')
  const entry = join(directory, 'node_modules/@portkey-ai/gateway/build/start-server.js')
  if (existsSync(entry)) return entry
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'package.json'), JSON.stringify(manifest))
  await runToEnd('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], directory)
  return entry
}
