export * from './client.ts'
export * from './errors.ts'
export type { Job, Jobs } from './jobs.ts'
export * from './resumable-fetch.ts'
