import type { Redis } from 'ioredis'

/** What is wrong with a Redis for keeping runs in it: `refusals` must stop the start, `warnings` be shown. */
export interface ServerFindings {
  refusals: string[]
  warnings: string[]
}

/** Looks at the server's settings; those that it won't tell (managed services hide CONFIG) are not held against it. */
export async function checkRedisServer(
  redis: Redis,
  options: { allowEviction: boolean },
): Promise<ServerFindings> {
  const findings: ServerFindings = { refusals: [], warnings: [] }
  const info = await redis.info('memory')
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1]
  if (policy !== undefined && policy !== 'noeviction') {
    const message = `Redis has maxmemory-policy ${policy}, so it may throw runs away: set it to noeviction`
    if (options.allowEviction) findings.warnings.push(`${message}.`)
    else findings.refusals.push(`${message}, or set redis.allow_eviction: true to take the risk.`)
  }
  const persistence = await redis.info('persistence')
  if (/^aof_enabled:0/m.test(persistence)) {
    findings.warnings.push(
      'Redis has no append-only file: what it holds is lost when it stops. Set appendonly yes.',
    )
  }
  return findings
}
