export { checkRedisServer, type ServerFindings } from './check-server.ts'
export type { Redis } from 'ioredis'
export { connectRedis, type RedisPurpose } from './connect.ts'
export {
  bullPrefix,
  callsPrefix,
  channels,
  keys,
  limitPrefix,
  logPrefix,
  queuePrefix,
  runPrefix,
  taskPrefix,
  waitingPrefix,
} from './keys.ts'
export { withLock } from './lock.ts'
export * from './private-server.ts'
export { defineBatchScript, defineScript, type Script, type ScriptArgument } from './script.ts'
