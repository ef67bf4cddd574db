import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { measure, type Measurement } from './measure.ts'
import { measureCaches } from './measure-caches.ts'
import { parseOptions, usage, type BenchOptions } from './options.ts'
import { openFilesLimit } from './proc.ts'
import { cacheDirectory, killEverything } from './processes.ts'
import { currentCommit, describeMachine, toMarkdown, type Report } from './report.ts'
import { isFor, modelsFor, toScenarios, type Scenario } from './scenarios.ts'
import { startTarget, type TargetName } from './targets/start-target.ts'

process.on('exit', killEverything)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130))

const options = readOptions()
const scenarios = toScenarios(options.scenarios, options.seconds)
checkOpenFiles(scenarios)
const report = await run(scenarios, options)
if (options.scenarios.includes('cache')) await addCaches(report)
const file = options.jsonFile ?? join(cacheDirectory, `${report.date.replaceAll(':', '-')}.json`)
mkdirSync(dirname(file), { recursive: true })
writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`)
console.log(toMarkdown(report))
console.error(`The figures are in ${file}`)
process.exit(report.errors.length > 0 ? 1 : 0)

function readOptions(): BenchOptions {
  try {
    const parsed = parseOptions(process.argv.slice(2))
    if (parsed !== 'help') return parsed
    console.log(usage)
    process.exit(0)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
    process.exit(2)
  }
}

/** Every process holds a socket a stream at most, but the gateway's API and worker also some to Redis. */
function checkOpenFiles(planned: Scenario[]): void {
  const needed = Math.max(
    ...planned.map((scenario) => (scenario.kind === 'streams' ? scenario.streams : 256)),
  )
  const limit = openFilesLimit()
  if (limit >= needed + 500) return
  console.error(
    `A process may open ${limit} files here, and these scenarios need ${needed + 500}. ` +
      `Run "ulimit -n ${needed + 500}" first (as root, or after raising the hard limit), ` +
      'or choose smaller scenarios with --only.',
  )
  process.exit(2)
}

async function run(planned: Scenario[], { targets }: BenchOptions): Promise<Report> {
  const measurements: Measurement[] = []
  const errors: Report['errors'] = []
  for (const scenario of planned) {
    for (const name of targets.filter((target) => isFor(scenario, target))) {
      console.error(`${scenario.name}, ${name} …`)
      try {
        const measurement = await measureOnce(scenario, name)
        measurements.push(measurement)
        console.error(`  ${Math.round(measurement.rate)}/s, ${measurement.load.failures} failures`)
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        errors.push({ scenario: scenario.name, target: name, message })
        console.error(`  failed: ${message}`)
      }
    }
  }
  return {
    date: new Date().toISOString(),
    commit: currentCommit(),
    command: ['npm run bench --', ...process.argv.slice(2)].join(' '),
    machine: describeMachine(),
    node: process.version,
    measurements,
    errors,
  }
}

async function addCaches(report: Report): Promise<void> {
  console.error('cache, millrace …')
  try {
    report.caches = await measureCaches()
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    report.errors.push({ scenario: 'cache', target: 'millrace', message })
    console.error(`  failed: ${message}`)
  }
}

/** Each with fresh processes, so that none inherits another's heap or backlog. */
async function measureOnce(scenario: Scenario, name: TargetName): Promise<Measurement> {
  const target = await startTarget(
    name,
    modelsFor(scenario),
    scenario.kind === 'streams' ? scenario.streams : 0,
  )
  try {
    return await measure(scenario, target, (text) => console.error(`  ${text}`))
  } finally {
    await target.stop()
  }
}
