import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

import type { Load, LoadMessage, LoadResult } from './load/messages.ts'
import { cpuSeconds, machineCpuSeconds, residentBytes } from './proc.ts'
import { adoptProcess } from './processes.ts'
import {
  deadlineMsFor,
  limitMsFor,
  modelFor,
  startWithinMs,
  unpacedModelFor,
  type Scenario,
} from './scenarios.ts'
import type { Target } from './targets/start-target.ts'

export interface Measurement {
  scenario: Scenario
  target: string
  /** Requests or tokens a second, during the window. */
  rate: number
  /** Microseconds of processor time a request or a token, by process. */
  cpuMicros: Record<string, number>
  residentBytes: Record<string, number>
  openStreams?: number
  /** How many processors were busy with what is not part of the bench. */
  othersBusy: number
  load: LoadResult
}

interface Sample {
  cpuSeconds: Record<string, number>
  machineCpuSeconds: number
  residentBytes: Record<string, number>
}

/** Runs the scenario's load in a process of its own and reads what every process used while it ran. */
export async function measure(
  scenario: Scenario,
  target: Target,
  onProgress: (text: string) => void,
): Promise<Measurement> {
  const child = fork(join(import.meta.dirname, 'load/main.ts'), [JSON.stringify(toLoad(scenario, target))], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    detached: true,
  })
  if (child.pid === undefined) throw new Error('The load generator cannot be started.')
  const release = adoptProcess(child.pid)
  const roles = { ...target.roles, load: child.pid }
  let before: Sample | undefined
  let window: (LoadMessage & { type: 'window-end' }) | undefined
  let after: Sample | undefined
  let result: LoadResult | undefined
  child.on('message', (message: LoadMessage) => {
    if (message.type === 'window-start') before = sample(roles)
    else if (message.type === 'window-end') [window, after] = [message, sample(roles)]
    else if (message.type === 'finished') result = message.result
    else onProgress(message.text)
  })
  const exited = once(child, 'exit', { signal: AbortSignal.timeout(limitMsFor(scenario)) })
  try {
    await Promise.race([exited, target.failed])
  } finally {
    child.kill('SIGKILL')
    release()
  }
  if (!before || !after || !window || !result) {
    throw new Error('The load generator ended without a result; see its output above.')
  }
  const { count, seconds, openStreams } = window
  const ours = difference(before.cpuSeconds, after.cpuSeconds)
  const machine = after.machineCpuSeconds - before.machineCpuSeconds
  return {
    scenario,
    target: target.name,
    rate: count / seconds,
    cpuMicros: Object.fromEntries(Object.entries(ours).map(([role, used]) => [role, (used * 1e6) / count])),
    othersBusy: (machine - sum(Object.values(ours))) / seconds,
    residentBytes: after.residentBytes,
    ...(openStreams !== undefined && { openStreams }),
    load: result,
  }
}

function toLoad(scenario: Scenario, { url, baseUrl, headers, simulatorUrl }: Target): Load {
  const common = { url, headers, model: modelFor(scenario) }
  if (scenario.kind === 'json') {
    return { ...common, kind: 'json', connections: scenario.connections, seconds: scenario.seconds }
  }
  return {
    ...common,
    kind: 'streams',
    dialect: scenario.dialect,
    url: scenario.dialect === 'anthropic-messages' ? `${baseUrl}/messages` : url,
    unpacedModel: unpacedModelFor(scenario),
    simulatorUrl,
    streams: scenario.streams,
    rampMs: scenario.rampMs,
    startWithinMs,
    plateauMs: scenario.plateauMs,
    deadlineMs: deadlineMsFor(scenario),
  }
}

function sample(roles: Record<string, number>): Sample {
  const each = (read: (pid: number) => number) =>
    Object.fromEntries(Object.entries(roles).map(([role, pid]) => [role, read(pid)]))
  return {
    cpuSeconds: each(cpuSeconds),
    machineCpuSeconds: machineCpuSeconds(),
    residentBytes: each(residentBytes),
  }
}

function difference(before: Record<string, number>, after: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(after).map(([role, value]) => [role, value - (before[role] ?? 0)]))
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
