import { setTimeout as sleep } from 'node:timers/promises'
import type { FinishedRun } from '#libs/runs'
import { parseSimulatorModel, planAnswer } from '#libs/providers'
import type { Fleet } from './fleet.ts'
import type { StreamResult } from './stream-client.ts'

/** What may not happen to any stream, counted over all of them; and how they ended. */
export interface Verdict {
  lost: number
  duplicated: number
  reordered: number
  foreign: number
  /** Texts that are not what the provider says to that prompt, or the beginning of it. */
  wrongText: number
  /** Calls beyond one for a prompt. */
  doubledCalls: number
  openAfterDeadline: number
  untypedErrors: number
  /** Runs of the streams that the archive does not hold, or with fewer frames than a client has seen. */
  notArchived: number
}

export interface Outcome {
  verdict: Verdict
  completed: number
  /** How many failed, by the code of their error. */
  failed: Record<string, number>
  resumes: number
  refusals: number
  slowestMs: number
}

/** Nothing lost, nothing doubled, all in the archive. */
export const clean: Verdict = {
  lost: 0,
  duplicated: 0,
  reordered: 0,
  foreign: 0,
  wrongText: 0,
  doubledCalls: 0,
  openAfterDeadline: 0,
  untypedErrors: 0,
  notArchived: 0,
}

export interface JudgeOptions {
  /** The simulator's own name of the model, with its knobs. */
  model: string
  archivedWithinMs?: number
}

/** Waits until the outbox is empty, and compares what the clients saw with the provider's journal and the archive. */
export async function judge(
  fleet: Fleet,
  results: readonly StreamResult[],
  { model, archivedWithinMs = 10_000 }: JudgeOptions,
): Promise<Outcome> {
  await outboxEmpty(fleet, archivedWithinMs)
  const { prompts } = await fleet.journal()
  const archive = readArchive(fleet)
  const sum = (count: (result: StreamResult) => number): number =>
    results.reduce((total, result) => total + count(result), 0)
  const doubled = Object.values(prompts.repeated).reduce((total, calls) => total + calls - 1, 0)
  const failed: Record<string, number> = {}
  for (const { outcome, code } of results) {
    if (outcome === 'failed') failed[code ?? 'none'] = (failed[code ?? 'none'] ?? 0) + 1
  }
  return {
    verdict: {
      lost: sum(({ lost }) => lost),
      duplicated: sum(({ duplicated }) => duplicated),
      reordered: sum(({ reordered }) => reordered),
      foreign: sum(({ foreign }) => foreign),
      wrongText: sum((result) => Number(!isRightText(result, model))),
      doubledCalls: doubled,
      openAfterDeadline: sum(({ outcome }) => Number(outcome === 'open')),
      untypedErrors: sum(({ untypedErrors }) => untypedErrors),
      notArchived: sum((result) => Number(!isArchived(result, archive))),
    },
    completed: results.filter(({ outcome }) => outcome === 'completed').length,
    failed,
    resumes: sum(({ resumes }) => resumes),
    refusals: sum(({ refusals }) => refusals),
    slowestMs: Math.round(Math.max(...results.map(({ tookMs }) => tookMs))),
  }
}

/** What the simulator says to a prompt. */
export function answerTo(prompt: string, model: string): string {
  const content = [{ type: 'text' as const, text: prompt }]
  const request = { system: [], messages: [{ role: 'user' as const, content }], tools: [] }
  return planAnswer(request, parseSimulatorModel(model)).words.join('')
}

function isRightText({ outcome, prompt, text }: StreamResult, model: string): boolean {
  const whole = answerTo(prompt, model)
  return outcome === 'completed' ? text === whole : whole.startsWith(text)
}

export async function outboxEmpty({ client }: Pick<Fleet, 'client'>, withinMs: number): Promise<void> {
  const deadlineMs = performance.now() + withinMs
  while ((await client.zcard('mr:outbox')) > 0 && performance.now() < deadlineMs) await sleep(100)
}

/** All runs in the object store, by their ids, with the text of their logs. */
export function readArchive({ s3 }: Pick<Fleet, 's3'>): Map<string, FinishedRun> {
  const runs = new Map<string, FinishedRun>()
  for (const object of s3.objects.values()) {
    const [, ...lines] = object.toString().split('\n')
    for (const line of lines) {
      if (line.trim() === '') continue
      const finished = JSON.parse(line) as FinishedRun
      runs.set(finished.run.spec.rid, finished)
    }
  }
  return runs
}

function isArchived(result: StreamResult, archive: Map<string, FinishedRun>): boolean {
  if (result.rid === undefined) return result.outcome === 'failed'
  const finished = archive.get(result.rid)
  if (finished === undefined) return false
  const frames = finished.log === '' ? 0 : finished.log.split('\n').length
  return frames >= result.frames && frames === finished.run.end.frames
}
