const opening = ['Lorem', ' ipsum', ' dolor', ' sit', ' amet,']

const vocabulary = (
  'consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna aliqua enim ad ' +
  'minim veniam quis nostrud exercitation ullamco laboris nisi aliquip ex ea commodo consequat duis aute ' +
  'irure in reprehenderit voluptate velit esse cillum fugiat nulla pariatur excepteur sint occaecat ' +
  'cupidatat non proident sunt culpa qui officia deserunt mollit anim id est laborum'
)
  .split(' ')
  .map((word) => ` ${word}`)

const sentenceLength = 12

/** The same words for the same seed. Each begins with its space, so that they only need joining. */
export function loremWords(count: number, seed: number): string[] {
  const random = createRandom(seed)
  const words = opening.slice(0, count)
  while (words.length < count) {
    const word = vocabulary[random(vocabulary.length)] ?? ''
    const position = words.length % sentenceLength
    words.push(position === 0 ? capitalise(word) : position === sentenceLength - 1 ? `${word}.` : word)
  }
  const last = words.at(-1)
  if (last !== undefined) words[count - 1] = `${last.replace(/[.,]$/, '')}.`
  return words
}

function capitalise(word: string): string {
  return ` ${word.charAt(1).toUpperCase()}${word.slice(2)}`
}

/** Mulberry32: a whole number below the limit at each call. */
function createRandom(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
}
