import { z } from 'zod'

/**
 * What a queue holds: the name of a run, and nothing that a client said. `version` lets a rolling deploy read
 * the jobs of the release before it.
 */
export const Job = z.object({ version: z.literal(1), rid: z.string() })
export type Job = z.infer<typeof Job>
