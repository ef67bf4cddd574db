import closeWithGrace from 'close-with-grace'
import { formatProblems, loadConfig, readTierArguments, tierOptionsHelp } from '#config'
import { providerSpecs } from '#libs/providers'
import { createLogger } from '#libs/telemetry'
import { startWorker } from './worker.ts'

const help = `Usage: millrace worker [options]

Takes runs from the queues of the configured providers and carries them out. Any number of these can share one Redis.

${tierOptionsHelp}`

const { path, overrides, providers, metricsPort, help: wantsHelp } = readTierArguments(process.argv.slice(2))
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
const logger = createLogger({ level: config.server.logLevel, name: 'worker' })
try {
  const worker = await startWorker({ config, logger, only: providers, metricsPort })
  closeWithGrace({ delay: config.server.drainMs + 10_000, logger }, async ({ err }) => {
    if (err) logger.fatal({ err }, 'the process failed')
    await worker.stop(config.server.drainMs)
  })
  logger.info({ providers: worker.providers }, 'the worker takes jobs')
  // A parent that died can't tell this process to stop any more.
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.send?.({ ready: worker.providers.join(',') })
} catch (error) {
  process.stderr.write(`millrace worker: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
