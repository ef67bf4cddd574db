import type { RunId } from '#libs/core'

/** Asks the workers of one provider to carry runs further. */
export interface JobQueue {
  /**
   * Resolves when the job is in Redis. Adding a run that has a job already changes nothing. Lower `priority` goes
   * first; 0 goes before all others, and is the cheapest. No worker gets it before `delayMs` are over.
   */
  add(rid: RunId, priority: number, delayMs?: number): Promise<void>
  /** Moves the job, if there is one, behind those that have this priority. */
  setPriority(rid: RunId, priority: number): Promise<void>
  /** Puts the job, if there is one, before all others. */
  overtake(rid: RunId): Promise<void>
  /** How many jobs come before this one; `undefined` if it is delayed, or does not wait. */
  position(rid: RunId): Promise<number | undefined>
  /** The first jobs that wait with one of so many priorities, in the order of their turn. */
  first(priority: number, priorities: number, limit: number): Promise<RunId[]>
  /** Ends the delay of a job; false if it has none. */
  hurry(rid: RunId): Promise<boolean>
  /** Which of these runs have no job that will be done. One that failed is removed, so that `add` adds another. */
  missing(rids: readonly RunId[]): Promise<RunId[]>
  /** Jobs that no worker could read, newest first: the run, if the job names one, and what was wrong. */
  failed(limit: number): Promise<{ id: string; reason: string }[]>
  /** Bounds how many jobs run at once over all workers. */
  setConcurrency(concurrency: number): Promise<void>
  close(): Promise<void>
}
