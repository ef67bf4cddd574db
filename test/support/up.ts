import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')

export interface UpOptions {
  /** The path of its configuration. */
  config: string
  redisUrl: string
  directory: string
  environment: Record<string, string>
}

/** The whole gateway as `npm start -- --config FILE` runs it, at the address that its banner tells. */
export async function startUp({
  config,
  redisUrl,
  directory,
  environment,
}: UpOptions): Promise<{ url: string; stop(): Promise<void> }> {
  const args = ['--config', config, '--port', '0', '--redis-url', redisUrl, '--data-dir', directory]
  const child = spawn(process.execPath, [join(root, 'apps/cli/main.ts'), 'up', ...args], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: join(root, '.cache/compile'), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    if (child.exitCode === null) await once(child, 'exit')
  }
  let output = ''
  const url = await new Promise<string>((found, failed) => {
    const listen = (chunk: unknown): void => {
      output += String(chunk)
      const told = /listens at (\S+)/.exec(output)?.[1]
      if (told !== undefined) found(told)
    }
    child.stdout.on('data', listen)
    child.stderr.on('data', listen)
    child.once('exit', () => failed(new Error(`The gateway did not start.\n${output}`)))
  })
  return { url, stop }
}
