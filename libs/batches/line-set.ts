/** All lines up to `upTo`, and those of `beyond`. */
export interface LineSetJson {
  upTo: number
  beyond: number[]
}

/** Numbers of lines, counted from 1, that are added about in their order: it stays as small as the disorder is. */
export interface LineSet {
  has(line: number): boolean
  add(line: number): void
  toJSON(): LineSetJson
}

/** A set that holds what is given. */
export function createLineSet(from: LineSetJson = { upTo: 0, beyond: [] }): LineSet {
  let { upTo } = from
  const beyond = new Set(from.beyond)
  return {
    has: (line) => line <= upTo || beyond.has(line),
    add(line) {
      if (line > upTo) beyond.add(line)
      while (beyond.delete(upTo + 1)) upTo += 1
    },
    toJSON: () => ({ upTo, beyond: [...beyond] }),
  }
}
