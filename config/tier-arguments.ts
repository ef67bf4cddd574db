import { parseArgs } from 'node:util'
import type { Overrides } from './environment.ts'

/** What the command line of `up`, `api` and `worker` may say. */
export interface TierArguments {
  /** The configuration file. */
  path: string | undefined
  overrides: Overrides
  /** The providers whose queues a worker serves; all if undefined. */
  providers: string[] | undefined
  /** Where a worker shows its metrics and health; nowhere if undefined. */
  metricsPort: number | undefined
  help: boolean
}

export const tierOptionsHelp = `  --config FILE, -c FILE  the configuration
  --port N, -p N          the port of the API
  --host ADDRESS          the address to listen on
  --redis-url URL         the Redis to use
  --log-level LEVEL       trace, debug, info, warn, error, fatal or silent
  --data-dir DIRECTORY    where local data is kept
  --providers A,B         (worker) serve only these providers' queues
  --metrics-port N        (worker) show /metrics and /healthz on this port
  --accept-unsupported S  start without a setting S that "millrace check" says is refused; several times for several
  --help, -h              show this`

/** Throws node:util's own errors for what is no option. */
export function readTierArguments(args: string[]): TierArguments {
  const { values } = parseArgs({
    args,
    options: {
      config: { type: 'string', short: 'c' },
      port: { type: 'string', short: 'p' },
      host: { type: 'string' },
      'log-level': { type: 'string' },
      'redis-url': { type: 'string' },
      'data-dir': { type: 'string' },
      providers: { type: 'string' },
      'metrics-port': { type: 'string' },
      'accept-unsupported': { type: 'string', multiple: true },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  return {
    path: values.config,
    overrides: {
      host: values.host,
      port: values.port,
      logLevel: values['log-level'],
      redisUrl: values['redis-url'],
      dataDir: values['data-dir'],
      acceptUnsupported: values['accept-unsupported'],
    },
    providers: values.providers?.split(',').map((name) => name.trim()),
    metricsPort: values['metrics-port'] === undefined ? undefined : Number(values['metrics-port']),
    help: values.help,
  }
}
