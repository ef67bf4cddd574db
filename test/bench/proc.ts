import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Seconds of processor time that a process and all its threads have used so far. */
export function cpuSeconds(pid: number): number {
  const [userTicks, systemTicks] = statFields(pid).slice(11, 13).map(Number)
  return ((userTicks ?? 0) + (systemTicks ?? 0)) / ticksPerSecond()
}

/** Seconds of processor time that all processes of the machine have used, together. */
export function machineCpuSeconds(): number {
  const [, user, nice, system] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]!
    .split(/\s+/)
    .map(Number)
  return (user! + nice! + system!) / ticksPerSecond()
}

export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
}

/** Fields of /proc/PID/stat from the state on; the command's name before it may hold spaces and brackets. */
function statFields(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

let ticks: number | undefined
function ticksPerSecond(): number {
  return (ticks ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })))
}

/** How many sockets and files a process may have open; children inherit it. */
export function openFilesLimit(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1] ?? '0'
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
}
