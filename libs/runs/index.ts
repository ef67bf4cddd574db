export { createRedisRunStore, silentWorkerMs } from './redis-run-store.ts'
export * from './run.ts'
export type * from './run-store.ts'
