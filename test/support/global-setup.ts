import { startTestRedis } from './redis.ts'

/** Fetches the server program where there is none yet, once and not by every test file at the same time. */
export async function setup(): Promise<void> {
  const redis = await startTestRedis()
  await redis.close()
}
