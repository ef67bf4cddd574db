import { isJsonObject, type RunId } from '#libs/core'
import { readFields } from '../response-object.ts'

/** Every item of a request's input as clients list it: with an id, and with each text as a part. */
export function toInputItems(body: string, rid: RunId): (Record<string, unknown> & { id: string })[] {
  const { input } = readFields(body, ['input'])
  const items: unknown[] = Array.isArray(input) ? input : [{ role: 'user', content: input ?? '' }]
  return items.flatMap((item, index) => {
    if (!isJsonObject(item)) return []
    const { id, type = 'message', content, ...rest } = item
    const parts = typeof content === 'string' ? [toPart(item.role, content)] : content
    const isMessage = type === 'message'
    return [
      {
        ...rest,
        id: typeof id === 'string' ? id : `${isMessage ? 'msg' : 'item'}_${rid.slice(-32)}in${index}`,
        type,
        ...(isMessage && { status: rest.status ?? 'completed' }),
        ...(parts !== undefined && { content: parts }),
      },
    ]
  })
}

function toPart(role: unknown, text: string): Record<string, unknown> {
  return role === 'assistant' ? { type: 'output_text', text, annotations: [] } : { type: 'input_text', text }
}
