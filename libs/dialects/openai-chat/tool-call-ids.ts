import { isJsonObject } from '#libs/core'

export interface ToolCallIds {
  /** Mends the tool-call deltas of a chunk's choices in place. True if anything had to change. */
  mend(choices: readonly unknown[]): boolean
  /** True once a call got another index, so that deltas without an id need mending too. */
  readonly renumbers: boolean
}

/**
 * Clients put a tool call together by its `index` and break when its `id` changes on the way. Some servers repeat
 * the id as `""` or as a new one with each delta, and some send every call of an answer as index 0. The first id
 * stays, and a delta that names another function under another id is the next call.
 */
export function createToolCallIds(): ToolCallIds {
  const calls = new Map<string, { id: string; index: number }>()
  const taken = new Set<string>()
  let renumbers = false

  function mendDelta(choice: unknown, delta: Record<string, unknown>): boolean {
    if (typeof delta.index !== 'number') return false
    const key = `${String(choice)}:${delta.index}`
    const known = calls.get(key)
    const id = typeof delta.id === 'string' && delta.id !== '' ? delta.id : undefined
    if (id !== undefined && (known === undefined || (id !== known.id && namesFunction(delta)))) {
      let index = delta.index
      while (taken.has(`${String(choice)}:${index}`)) index++
      taken.add(`${String(choice)}:${index}`)
      calls.set(key, { id, index })
      return renumber(delta, index)
    }
    if (known === undefined) return false
    const isRenumbered = renumber(delta, known.index)
    if (!('id' in delta) || delta.id === known.id) return isRenumbered
    delete delta.id
    return true
  }

  function renumber(delta: Record<string, unknown>, index: number): boolean {
    if (delta.index === index) return false
    delta.index = index
    renumbers = true
    return true
  }

  return {
    mend(choices) {
      let isChanged = false
      for (const choice of choices) {
        if (!isJsonObject(choice) || !isJsonObject(choice.delta)) continue
        const deltas: unknown = choice.delta.tool_calls
        if (!Array.isArray(deltas)) continue
        for (const delta of deltas) {
          if (isJsonObject(delta) && mendDelta(choice.index, delta)) isChanged = true
        }
      }
      return isChanged
    },
    get renumbers() {
      return renumbers
    },
  }
}

function namesFunction(delta: Record<string, unknown>): boolean {
  return isJsonObject(delta.function) && typeof delta.function.name === 'string' && delta.function.name !== ''
}
