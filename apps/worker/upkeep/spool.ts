import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { RunId } from '#libs/core'
import type { FinishedRun } from '#libs/runs'

/** A finished run that Redis has not acknowledged, with what its end there needs. */
export interface SpooledRun {
  finished: FinishedRun
  epoch: number
  homeChannel: string
}

/**
 * Finished answers on the worker's own disk, for as long as Redis is away: a worker that ends meanwhile leaves them
 * for the next one on this machine, of this or another process.
 */
export interface Spool {
  /** Resolves when the run would outlive a loss of power. */
  keep(run: SpooledRun): Promise<void>
  /** Forgets a run; harmless if there is none. */
  drop(rid: RunId): Promise<void>
  list(): Promise<SpooledRun[]>
}

/** Keeps a file a run in the directory, which is made when it is first needed. */
export function createSpool(directory: string): Spool {
  const pathOf = (rid: RunId): string => join(directory, `${rid}.json`)
  return {
    async keep(run) {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const path = pathOf(run.finished.run.spec.rid)
      const unfinished = `${path}.${process.pid}.part`
      const file = await open(unfinished, 'w', 0o600)
      try {
        await file.writeFile(JSON.stringify(run))
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(unfinished, path)
      await syncDirectory(directory)
    },
    async drop(rid) {
      await rm(pathOf(rid), { force: true })
    },
    async list() {
      const names = await readdir(directory).catch(() => [])
      const whole = names.filter((name) => name.endsWith('.json'))
      return Promise.all(
        whole.map(async (name) => JSON.parse(await readFile(join(directory, name), 'utf8')) as SpooledRun),
      )
    },
  }
}

/** The new name is in the directory, which is a file of its own to the disk. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
