import closeWithGrace from 'close-with-grace'
import { formatProblems, loadConfig, readTierArguments, tierOptionsHelp } from '#config'
import { providerSpecs } from '#libs/providers'
import { createLogger } from '#libs/telemetry'
import { startApi } from './start-api.ts'

const help = `Usage: millrace api [options]

Accepts requests and enqueues them for the workers. Any number of these can share one Redis.

${tierOptionsHelp}`

const { path, overrides, help: wantsHelp } = readTierArguments(process.argv.slice(2))
if (wantsHelp) {
  process.stdout.write(`${help}\n`)
  process.exit(0)
}
const loaded = loadConfig({ path, overrides, providerSpecs })
if (!loaded.ok) {
  process.stderr.write(`${formatProblems(loaded.problems)}\n`)
  process.exit(1)
}
const { config } = loaded
const logger = createLogger({ level: config.server.logLevel, name: 'api' })
try {
  const api = await startApi(config, logger)
  closeWithGrace({ delay: config.server.drainMs + 5_000, logger }, async ({ err }) => {
    if (err) logger.fatal({ err }, 'the process failed')
    await api.stop(config.server.drainMs)
  })
  logger.info({ url: api.url, configuration: loaded.source ?? 'environment' }, 'the API listens')
  // A parent that died can't tell this process to stop any more.
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.send?.({ ready: api.url })
} catch (error) {
  process.stderr.write(`millrace api: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
