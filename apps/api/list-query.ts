import { GatewayError, isRunId } from '#libs/core'
import type { RunQuery } from '#libs/runs'

/** Reads `after`, `limit` and `order` as OpenAI's lists have them. Throws `invalid_request` naming the one that is wrong. */
export function readListQuery(query: Record<string, unknown>): Omit<RunQuery, 'stored'> {
  const { after, limit = '20', order = 'asc' } = query
  if (after !== undefined && !(typeof after === 'string' && isRunId(after))) {
    throw new GatewayError('invalid_request', 'after is the id of the last item you have.', {
      param: 'after',
    })
  }
  const count = typeof limit === 'string' && /^\d{1,3}$/.test(limit) ? Number(limit) : 0
  if (count < 1 || count > 100) {
    throw new GatewayError('invalid_request', 'limit is a whole number from 1 to 100.', { param: 'limit' })
  }
  if (order !== 'asc' && order !== 'desc') {
    throw new GatewayError('invalid_request', 'order is asc or desc.', { param: 'order' })
  }
  return { limit: count, order, ...(after !== undefined && { after }) }
}
