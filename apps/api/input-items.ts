import { GatewayError } from '#libs/core'

export interface ItemList<Item> {
  object: 'list'
  data: Item[]
  first_id: string | null
  last_id: string | null
  has_more: boolean
}

/** One page of a list that is at hand as a whole, newest first unless `order` says otherwise. Throws `invalid_request`. */
export function toPage<Item extends { id: string }>(
  items: readonly Item[],
  query: Record<string, unknown>,
): ItemList<Item> {
  const { after, limit = '20', order = 'desc' } = query
  const count = typeof limit === 'string' && /^\d{1,3}$/.test(limit) ? Number(limit) : 0
  if (count < 1 || count > 100) throw refused('limit', 'limit is a whole number from 1 to 100.')
  if (order !== 'asc' && order !== 'desc') throw refused('order', 'order is asc or desc.')
  const ordered = order === 'asc' ? items : items.toReversed()
  const start = after === undefined ? 0 : ordered.findIndex(({ id }) => id === after) + 1
  if (after !== undefined && start === 0) throw refused('after', 'after is the id of the last item you have.')
  const data = ordered.slice(start, start + count)
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: start + count < ordered.length,
  }
}

function refused(param: string, message: string): GatewayError {
  return new GatewayError('invalid_request', message, { param })
}
