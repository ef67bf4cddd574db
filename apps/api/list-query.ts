import { GatewayError, isRunId } from '#libs/core'
import type { RunQuery } from '#libs/runs'

/** Reads `after`, `limit` and `order` as OpenAI's lists have them. Throws `invalid_request` naming the one that is wrong. */
export function readListQuery(query: Record<string, unknown>): Omit<RunQuery, 'stored'> {
  const { after, limit = '20', order = 'asc' } = query
  const count = typeof limit === 'string' && /^\d{1,3}$/.test(limit) ? Number(limit) : 0
  if (count < 1 || count > 100) {
    throw new GatewayError('invalid_request', 'limit is a whole number from 1 to 100.', { param: 'limit' })
  }
  if (order !== 'asc' && order !== 'desc') {
    throw new GatewayError('invalid_request', 'order is asc or desc.', { param: 'order' })
  }
  return { limit: count, order, ...readAfter(after) }
}

/** Reads where a page begins. Throws `invalid_request`. */
export function readAfter(after: unknown): Pick<RunQuery, 'after'> {
  if (after === undefined) return {}
  if (typeof after === 'string' && isRunId(after)) return { after }
  throw new GatewayError('invalid_request', 'after is the id of the last item you have.', { param: 'after' })
}
