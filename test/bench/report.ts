import { execFileSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'

import type { Measurement } from './measure.ts'
import type { CacheMeasurement } from './measure-caches.ts'
import { choices, lanes } from './scenarios.ts'

export interface Report {
  date: string
  commit: string
  command: string
  machine: string
  node: string
  measurements: Measurement[]
  caches?: CacheMeasurement[]
  /** What could not be measured, and why. */
  errors: { scenario: string; target: string; message: string }[]
}

export function describeMachine(): string {
  const [first] = cpus()
  return `${cpus().length} × ${first?.model.trim() ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GB`
}

export function currentCommit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim()
  return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') === '' ? '' : ' with changes')
}

export function toMarkdown(report: Report): string {
  const { measurements, errors } = report
  const json = measurements.filter(({ scenario }) => scenario.kind === 'json')
  const latency = json.filter(({ scenario }) => scenario.name === 'latency')
  const choosing = new Set<string>(Object.values(choices))
  const throughput = json.filter(
    ({ scenario }) => scenario.name !== 'latency' && !choosing.has(scenario.name),
  )
  const streams = measurements.filter(({ scenario }) => scenario.kind === 'streams')
  return [
    `Machine: ${report.machine}, Node ${report.node}; gateway, Redis, simulator and load generator share it.`,
    `Commit ${report.commit}, ${report.date}. Command: \`${report.command}\`.`,
    othersNote(measurements),
    section('Latency of one JSON request at a time', latencyTable(latency, measurements)),
    section('JSON requests', jsonTable(throughput)),
    section('Streams', [...streamTable(streams, measurements), ...overloadNote(streams)]),
    section('Resident memory at the plateau, MB', memoryTable(streams)),
    section('What translation costs', laneTable(streams)),
    section('What a choice costs', choiceTable(json)),
    section('What prompt caches are good for', cacheTable(report.caches ?? [])),
    section('Compared with Portkey', ratioTable([...throughput, ...streams])),
    section(
      'Failed',
      errors.map(({ scenario, target, message }) => `- ${scenario}, ${target}: ${message}`),
    ),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

function othersNote(rows: Measurement[]): string {
  const busiest = Math.max(0, ...rows.map(({ othersBusy }) => othersBusy))
  if (busiest < 0.1) return ''
  return `Processes outside the bench kept up to ${busiest.toFixed(1)} processors busy meanwhile.`
}

function latencyTable(rows: Measurement[], all: Measurement[]): string[] {
  return table(
    ['target', 'p50 ms', 'p99 ms', 'added p50 ms', 'added p99 ms', 'failures'],
    rows.map((row) => [row.target, ...latencyCells(row, all), failures(row)]),
  )
}

function jsonTable(rows: Measurement[]): string[] {
  return table(
    ['connections', 'target', 'requests/s', 'p50 ms', 'p99 ms', 'CPU µs/request', 'of which', 'failures'],
    rows.map((row) => [
      row.scenario.kind === 'json' ? String(row.scenario.connections) : '',
      row.target,
      round(row.rate),
      round(row.load.latencyMs.p50),
      round(row.load.latencyMs.p99),
      round(gatewayCpu(row)),
      eachRole(row.cpuMicros, round),
      failures(row),
    ]),
  )
}

function streamTable(rows: Measurement[], all: Measurement[]): string[] {
  const columns = ['streams', 'target', 'tokens/s', 'TTFT p50 ms', 'p99', 'added p50', 'added p99']
  return table(
    [
      ...columns,
      'gap p50 / p99 ms',
      'CPU µs/token',
      'of which',
      'whole',
      'lost / doubled / reordered',
      'failures',
    ],
    rows.map((row) => [
      streamShape(row),
      row.target,
      `${round(row.rate)} of ${round(offeredRate(row))}`,
      ...latencyCells(row, all),
      `${round(row.load.gapMs?.p50)} / ${round(row.load.gapMs?.p99)}`,
      round(gatewayCpu(row)),
      eachRole(row.cpuMicros, round),
      wholeStreams(row),
      damage(row),
      failures(row),
    ]),
  )
}

function overloadNote(rows: Measurement[]): string[] {
  if (rows.every((row) => row.rate > 0.9 * offeredRate(row))) return []
  return [
    '',
    'Where fewer tokens arrive than are offered, the machine is the limit: times then tell how a queue grows.',
  ]
}

function memoryTable(rows: Measurement[]): string[] {
  return table(
    ['streams', 'target', 'open at the end of the plateau', 'resident MB'],
    rows.map((row) => [
      streamShape(row),
      row.target,
      String(row.openStreams),
      eachRole(row.residentBytes, (bytes) => String(Math.round(bytes / 2 ** 20))),
    ]),
  )
}

function ratioTable(rows: Measurement[]): string[] {
  const pairs = rows.flatMap((row) => {
    const peer = rows.find(
      ({ scenario, target }) => target === 'portkey' && scenario.name === row.scenario.name,
    )
    return row.target === 'millrace' && peer ? [{ row, peer }] : []
  })
  return table(
    ['scenario', 'rate, Millrace ÷ Portkey', 'CPU a request or token, Millrace ÷ Portkey'],
    pairs.map(({ row, peer }) => [
      row.scenario.name,
      (row.rate / peer.rate).toFixed(2),
      (gatewayCpu(row) / gatewayCpu(peer)).toFixed(2),
    ]),
  )
}

/** Of the two lanes in one run; the translated one is to cost twice the native one at most. */
function laneTable(rows: Measurement[]): string[] {
  const find = (name: string) => rows.find(({ scenario }) => scenario.name === name)
  const [native, translated] = [find(lanes.native), find(lanes.translated)]
  if (native === undefined || translated === undefined) return []
  const worker = (row: Measurement) => row.cpuMicros.worker ?? Number.NaN
  const ratio = (cost: (row: Measurement) => number) => (cost(translated) / cost(native)).toFixed(2)
  return table(
    ['', 'CPU µs/token', 'of which the worker'],
    [
      ...[native, translated].map((row) => [row.scenario.name, round(gatewayCpu(row)), round(worker(row))]),
      ['translated ÷ native (at most 2)', ratio(gatewayCpu), ratio(worker)],
    ],
  )
}

/** Medians over the turns of one run; a choice is to cost a twentieth at most. */
function choiceTable(rows: Measurement[]): string[] {
  const medianOf = (name: string): number => {
    const costs = rows.filter(({ scenario }) => scenario.name === name).map(gatewayCpu)
    return costs.toSorted((left, right) => left - right)[Math.floor(costs.length / 2)] ?? Number.NaN
  }
  const [none, five] = [medianOf(choices.none), medianOf(choices.five)]
  if (Number.isNaN(none) || Number.isNaN(five)) return []
  return table(
    ['', 'CPU µs/request, median'],
    [
      [choices.none, round(none)],
      [choices.five, round(five)],
      ['five ÷ none (at most 1.05)', (five / none).toFixed(2)],
    ],
  )
}

/** One key alone finds all that can be found. */
function cacheTable(rows: CacheMeasurement[]): string[] {
  const [alone] = rows
  const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)} %`
  return table(
    [
      'routing',
      'keys',
      'requests',
      'with a hit',
      'tokens cached',
      'hits of one key’s',
      'tokens',
      'busiest key',
    ],
    rows.map((row) => [
      row.routing,
      String(row.keys),
      String(row.requests),
      percent(row.hits, row.requests),
      percent(row.cachedTokens, row.inputTokens),
      percent(row.hits, alone?.hits ?? 0),
      percent(row.cachedTokens, alone?.cachedTokens ?? 0),
      percent(row.busiest, 1),
    ]),
  )
}

/** What belongs to the gateway: all but the simulator and the load generator. */
function gatewayCpu({ target, cpuMicros }: Measurement): number {
  if (target === 'direct') return Number.NaN
  const { simulator: _, load: __, ...gateway } = cpuMicros
  return Object.values(gateway).reduce((total, micros) => total + micros, 0)
}

function latencyCells(row: Measurement, all: Measurement[]): string[] {
  const direct = all.find(
    ({ scenario, target }) => target === 'direct' && scenario.name === row.scenario.name,
  )
  const { p50, p99 } = row.load.latencyMs
  const added = (value: number | null, base: number | null | undefined) =>
    row.target === 'direct' || typeof value !== 'number' || typeof base !== 'number'
      ? '–'
      : round(value - base)
  return [
    round(p50),
    round(p99),
    added(p50, direct?.load.latencyMs.p50),
    added(p99, direct?.load.latencyMs.p99),
  ]
}

function streamShape({ scenario }: Measurement): string {
  if (scenario.kind !== 'streams') return ''
  const shape = `${scenario.streams} × ${1000 / scenario.gapMs}/s`
  return Object.values<string>(lanes).includes(scenario.name) ? `${shape}, ${scenario.name}` : shape
}

function offeredRate({ scenario }: Measurement): number {
  return scenario.kind === 'streams' ? (scenario.streams * 1000) / scenario.gapMs : Number.NaN
}

function wholeStreams({ scenario, load }: Measurement): string {
  return scenario.kind === 'streams' ? `${load.integrity?.whole} of ${scenario.streams}` : ''
}

function damage({ load: { integrity } }: Measurement): string {
  return `${integrity?.lostTokens} / ${integrity?.duplicatedTokens} / ${integrity?.reorderedTokens}`
}

function failures({ load }: Measurement): string {
  return load.failure === undefined ? '0' : `${load.failures} (${load.failure.replaceAll(/[|\s]+/g, ' ')})`
}

function eachRole(values: Record<string, number>, format: (value: number) => string): string {
  return Object.entries(values)
    .map(([role, value]) => `${role} ${format(value)}`)
    .join(', ')
}

function round(value: number | null | undefined): string {
  if (typeof value !== 'number' || !Number.isFinite(value)) return '–'
  return Math.abs(value) < 10 ? value.toFixed(2) : Math.round(value).toLocaleString('en')
}

function section(title: string, lines: string[]): string {
  return lines.length === 0 ? '' : `**${title}**\n\n${lines.join('\n')}`
}

function table(columns: string[], rows: string[][]): string[] {
  if (rows.length === 0) return []
  const toLine = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [toLine(columns), toLine(columns.map(() => '---')), ...rows.map(toLine)]
}
