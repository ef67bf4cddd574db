export type { Redis } from 'ioredis'
export { connectRedis, type RedisPurpose } from './connect.ts'
export { bodyPrefix, bullPrefix, channels, keys, logPrefix, runPrefix } from './keys.ts'
export { defineScript, type Script, type ScriptArgument } from './script.ts'
