import { findTopLevelFields, isJsonObject, isRunId, spliceText } from '#libs/core'
import { readFields } from '../response-object.ts'

/** What a request wants to continue: the id it names, if it names one. */
export function readPreviousId(json: string): string | undefined {
  const { previous_response_id: previous } = readFields(json, ['previous_response_id'])
  return typeof previous === 'string' ? previous : undefined
}

/**
 * The request with the whole conversation as its input: what the previous response was asked, what it said, and what
 * is asked now. `previous.body` is a body that was itself continued, so one step back is all the way back, and
 * no chain is ever walked. Instructions are not taken over. A response that the provider keeps, at which the
 * conversation of ours began, stays its beginning.
 */
export function continueConversation(json: string, previous: { body: string; answer: string }): string {
  const items = [
    readItems(previous.body),
    readSaid(previous.answer)
      .map((item) => JSON.stringify(item))
      .join(','),
    readItems(json),
  ]
  const input = `[${items.filter((text) => text !== '').join(',')}]`
  const beginning = readPreviousId(previous.body)
  const isKeptElsewhere = beginning !== undefined && !isRunId(beginning)
  const names = isKeptElsewhere ? ['input', 'previous_response_id'] : ['input']
  const fields = findTopLevelFields(json, names) ?? []
  const edits = fields.map(({ name, start, end }) => ({
    start,
    end,
    text: name === 'input' ? input : JSON.stringify(beginning),
  }))
  if (fields.every((field) => field.name !== 'input')) {
    const opening = json.indexOf('{') + 1
    edits.unshift({ start: opening, end: opening, text: `"input":${input},` })
  }
  return spliceText(json, edits)
}

/** The items of a body's input as text, without the brackets around them. */
function readItems(json: string): string {
  const field = findTopLevelFields(json, ['input'])?.at(-1)
  const text = field === undefined ? 'null' : json.slice(field.start, field.end)
  if (text.startsWith('[')) return text.slice(1, -1).trim()
  return text === 'null' ? '' : `{"type":"message","role":"user","content":${text}}`
}

/**
 * What was said, as input. Ids are left out, since a provider that did not give them takes them for its own; so is
 * reasoning that only its maker could read by its id, and a call that was broken off.
 */
function readSaid(answer: string): unknown[] {
  const { output } = readFields(answer, ['output'])
  if (!Array.isArray(output)) return []
  return output.flatMap((item: unknown) => {
    if (!isJsonObject(item)) return []
    const { id: _id, status, ...rest } = item
    if (item.type === 'message') return [{ ...rest, status }]
    if (item.type === 'reasoning') return item.encrypted_content === undefined ? [] : [rest]
    return status === 'incomplete' || status === 'in_progress' ? [] : [rest]
  })
}
