import { parseArgs } from 'node:util'
import { formatProblems, loadConfig } from '#config'
import { providerSpecs } from '#libs/providers'
import { cancelOne, retryOne, showOne } from './runs/act.ts'
import { listRuns, states, type ListedState } from './runs/list.ts'
import { openRuns, type Runs } from './runs/open.ts'

const help = `Usage: millrace runs list [--state ${states.join('|')}] [--provider NAME] [--limit N]
       millrace runs show|retry|cancel RID

Looks at the runs of all tenants, and takes those further that are stuck.

  list    waiting: no worker has them yet; running; ended, in the last while; dead: no worker could carry them
  show    one run, with how it ended
  retry   gives one that waits a new job, and sends the request of one that failed once more, as a new run
  cancel  ends one that waits, and has the worker of one that runs stop it

  --json                  for programs
  --config FILE, -c FILE  the configuration
  --redis-url URL         the Redis to use

The exit code is 0, or 1 when the run is not there or nothing can be done with it.`

/** `millrace runs …`: for operators, so no tenant's key is asked for; who reaches Redis may. */
export async function runs(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      state: { type: 'string' },
      provider: { type: 'string' },
      limit: { type: 'string', default: '50' },
      json: { type: 'boolean', default: false },
      config: { type: 'string', short: 'c' },
      'redis-url': { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    console.log(help)
    return 0
  }
  const act = toAct(positionals, values)
  if (act === undefined) {
    console.error(help)
    return 2
  }
  const overrides = { redisUrl: values['redis-url'] }
  const loaded = loadConfig({ path: values.config, overrides, providerSpecs })
  if (!loaded.ok) {
    console.error(formatProblems(loaded.problems))
    return 1
  }
  const opened = await openRuns(loaded.config)
  if (opened === undefined) {
    console.error('No Redis is configured. Set REDIS_URL or redis.url, or name one with --redis-url.')
    return 1
  }
  try {
    return await act(opened)
  } finally {
    await opened.close()
  }
}

interface Options {
  state?: string | undefined
  provider?: string | undefined
  limit: string
  json: boolean
}

/** `undefined` for what is no such call. */
function toAct(
  [verb, rid, ...rest]: string[],
  { state, provider, limit, json }: Options,
): ((runs: Runs) => Promise<number>) | undefined {
  if (rest.length > 0 || !/^\d{1,5}$/.test(limit)) return undefined
  if (verb === 'list' && rid === undefined) {
    if (state !== undefined && !isState(state)) return undefined
    return (opened) => listRuns(opened, { state, provider, limit: Number(limit), json })
  }
  if (rid === undefined) return undefined
  if (verb === 'show') return (opened) => showOne(opened, rid, { json })
  if (verb === 'retry') return (opened) => retryOne(opened, rid, { json })
  if (verb === 'cancel') return (opened) => cancelOne(opened, rid)
  return undefined
}

function isState(text: string): text is ListedState {
  return states.some((state) => state === text)
}
