import { parseArgs } from 'node:util'

import { quickScenarios, scenarioNames, type ScenarioName } from './scenarios.ts'
import { targetNames, type TargetName } from './targets/start-target.ts'

export interface BenchOptions {
  scenarios: readonly ScenarioName[]
  targets: readonly TargetName[]
  /** Of each measured window. */
  seconds: number
  jsonFile: string | undefined
}

export const usage = `npm run bench -- [options]

  --only a,b       scenarios: ${scenarioNames.join(', ')}
  --targets a,b    of ${targetNames.join(', ')} (default: direct, millrace)
  --peers          measure Portkey too; npm downloads it
  --quick          ${quickScenarios.join(', ')} for two seconds each
  --seconds N      length of each measured window (default: 10)
  --json FILE      where the figures go (default: .cache/bench/<date>.json)
`

/** Throws an error with a message for the user. */
export function parseOptions(args: string[]): BenchOptions | 'help' {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      targets: { type: 'string' },
      peers: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      seconds: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return 'help'
  const seconds = Number(values.seconds ?? (values.quick ? 2 : 10))
  if (!(seconds >= 1 && seconds <= 120)) {
    throw new Error(`--seconds must be a number from 1 to 120, not "${values.seconds}".`)
  }
  const targets: TargetName[] = values.targets
    ? readList('--targets', values.targets, targetNames)
    : ['direct', 'millrace']
  if (values.peers && !targets.includes('portkey')) targets.push('portkey')
  return {
    scenarios: values.only
      ? readList('--only', values.only, scenarioNames)
      : values.quick
        ? quickScenarios
        : scenarioNames,
    targets,
    seconds,
    jsonFile: values.json,
  }
}

function readList<Name extends string>(option: string, text: string, known: readonly Name[]): Name[] {
  return text.split(',').map((word) => {
    const name = known.find((candidate) => candidate === word.trim())
    if (name === undefined) throw new Error(`${option} knows ${known.join(', ')}, not "${word}".`)
    return name
  })
}
