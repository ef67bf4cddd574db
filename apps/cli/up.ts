import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import {
  childEnvironment,
  formatProblems,
  loadConfig,
  readTierArguments,
  tierOptionsHelp,
  type Config,
  type Environment,
} from '#config'
import { providerSpecs } from '#libs/providers'
import { startPrivateRedis } from '#libs/redis'

const help = `Usage: millrace up [options]

Runs the whole gateway on this machine: a private Redis unless one is configured, the API and a worker.

${tierOptionsHelp}`

/** Starts everything, and resolves to the exit code when it has been stopped. */
export async function up(args: string[]): Promise<number> {
  const { path, overrides, help: wantsHelp } = readTierArguments(args)
  if (wantsHelp) {
    console.log(help)
    return 0
  }
  const loaded = loadConfig({ path, overrides, providerSpecs })
  if (!loaded.ok) {
    console.error(formatProblems(loaded.problems))
    return 1
  }
  for (const warning of loaded.warnings) console.error(`Warning: ${formatProblems([warning])}\n`)
  // A promise and no event, since it may come while nobody waits for it yet.
  const { promise: stopped, resolve: stop } = Promise.withResolvers<'stopped'>()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop('stopped'))
  const { config } = loaded
  const redis = config.redis.url === undefined ? await openPrivateRedis(config) : undefined
  try {
    // Not as an argument, since whoever may list processes may read those, and the URL holds a password.
    const environment = childEnvironment({
      REDIS_URL: redis?.url ?? config.redis.url,
      NODE_COMPILE_CACHE: join(config.dataDir, 'compile-cache'),
    })
    return await runTiers(config, { args, environment }, stopped)
  } finally {
    await redis?.close()
  }
}

async function openPrivateRedis({ dataDir }: Config) {
  const redis = await startPrivateRedis({
    directory: join(dataDir, 'redis'),
    log: (line) => console.error(line),
  })
  if (redis.inMemoryOnly)
    console.error('Redis runs in memory only: what is not archived is lost when it stops.')
  return redis
}

interface TierStart {
  args: string[]
  environment: Environment
}

async function runTiers(config: Config, start: TierStart, stopped: Promise<'stopped'>): Promise<number> {
  const tiers = ['api', 'worker'].map((tier) => startTier(tier, start))
  const gone = Promise.race(tiers.map(({ child }) => once(child, 'exit'))).then(() => 'gone' as const)
  try {
    const ready = Promise.all(tiers.map(({ ready: isReady }) => isReady))
    const first = await Promise.race([ready, gone, stopped])
    if (Array.isArray(first)) console.log(banner(config, first[0] ?? ''))
    return (await Promise.race([gone, stopped])) === 'stopped' ? 0 : 1
  } finally {
    await Promise.all(tiers.map(({ child }) => stopTier(child)))
  }
}

function startTier(
  tier: string,
  { args, environment }: TierStart,
): { child: ChildProcess; ready: Promise<string> } {
  const main = join(import.meta.dirname, '..', tier, 'main.ts')
  const child = spawn(process.execPath, [main, ...args], {
    env: environment,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // A terminal sends Ctrl-C to its whole group; here the tiers are told by their parent, once.
    detached: true,
  })
  const ready = once(child, 'message').then(([message]) => (message as { ready: string }).ready)
  return { child, ready }
}

async function stopTier(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

function banner({ providers, models, keys }: Config, url: string): string {
  const model =
    models.find(({ name, targets }) => targets.length > 0 && !name.includes('*'))?.name ?? 'sim/lorem'
  const header = keys.length > 0 ? ` -H 'authorization: Bearer YOUR_KEY'` : ''
  const body = `{"model":"${model}","stream":true,"messages":[{"role":"user","content":"Hello"}]}`
  return `
Millrace listens at ${url}
Providers: ${providers.map(({ name }) => name).join(', ')}${keys.length > 0 ? '' : '\nNo keys are configured: only this machine can call.'}

Try it:
  curl -N ${url}/v1/chat/completions -H 'content-type: application/json'${header} \\
    -d '${body}'
`
}
