import { GatewayError, isResourceId, type ResourceKind } from '#libs/core'
import type { CatalogPage, CatalogQuery } from '#libs/files'

type Page = Pick<CatalogQuery<never>, 'order' | 'limit' | 'after' | 'before'>

/** Reads `after`, `limit` and `order` of a list that is newest first. Throws `invalid_request` naming the one that is wrong. */
export function readResourceQuery(
  kind: ResourceKind,
  query: Record<string, unknown>,
  { defaultLimit, mostItems }: { defaultLimit: number; mostItems: number },
): Page {
  const { order = 'desc' } = query
  if (order !== 'asc' && order !== 'desc') throw refused('order', 'order is asc or desc.')
  return {
    order,
    limit: readLimit(query.limit, defaultLimit, mostItems),
    after: readId(kind, query, 'after'),
  }
}

/** The same with `after_id` and `before_id`, as Anthropic has it. */
export function readAnthropicQuery(kind: ResourceKind, query: Record<string, unknown>): Page {
  const after = readId(kind, query, 'after_id')
  const before = readId(kind, query, 'before_id')
  if (after !== undefined && before !== undefined) {
    throw refused('before_id', 'A page is behind after_id or in front of before_id, and not both.')
  }
  return { order: 'desc', limit: readLimit(query.limit, 20, 1_000), after, before }
}

/** A page as all vendors have it. */
export function toResourcePage<Item>(
  { items, hasMore }: CatalogPage<Item>,
  toObject: (item: Item) => { id: string },
) {
  const data = items.map(toObject)
  return { data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: hasMore }
}

function readLimit(limit: unknown, defaultLimit: number, mostItems: number): number {
  if (limit === undefined) return defaultLimit
  const count = typeof limit === 'string' && /^\d{1,6}$/.test(limit) ? Number(limit) : 0
  if (count < 1 || count > mostItems)
    throw refused('limit', `limit is a whole number from 1 to ${mostItems}.`)
  return count
}

function readId(kind: ResourceKind, query: Record<string, unknown>, name: string): string | undefined {
  const id = query[name]
  if (id === undefined || isResourceId(kind, id)) return id
  throw refused(name, `${name} is the id of an item that you have.`)
}

function refused(param: string, message: string): GatewayError {
  return new GatewayError('invalid_request', message, { param })
}
