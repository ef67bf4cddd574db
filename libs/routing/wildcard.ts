/** A name in which each `*` stands for any text. */
export interface Wildcard {
  readonly pattern: string
  /** The texts that the stars stand for; undefined when the name does not begin as the pattern does. */
  readonly match: (name: string) => readonly string[] | undefined
}

const escaped = /[*()[\]{}?+\-|^$\\.&~# ]/g
const longestName = 200

/**
 * The wildcards as LiteLLM tries them, whose files this must read: those with the longest expression first, then those
 * with the most special characters, and a name may go on behind the end of a pattern.
 */
export function sortWildcards(patterns: readonly string[]): Wildcard[] {
  return patterns
    .map((pattern) => ({ pattern, expression: toExpression(pattern) }))
    .toSorted((left, right) => {
      const byLength = right.expression.length - left.expression.length
      return byLength === 0 ? countSpecial(right.expression) - countSpecial(left.expression) : byLength
    })
    .map(({ pattern, expression }) => {
      const regExp = new RegExp(`^${expression}`, 's')
      return {
        pattern,
        // Several stars and a long name take long, and the name comes from the client.
        match: (name) => (name.length > longestName ? undefined : regExp.exec(name)?.slice(1)),
      }
    })
}

/** What a target's model becomes: the texts in place of its stars, or the whole name where there are too few. */
export function fillStars(model: string, texts: readonly string[], name: string): string {
  const stars = model.split('*').length - 1
  if (stars === 0) return model
  if (texts.length > stars) return name
  return texts.reduce((filled, text) => filled.replace('*', () => text), model)
}

function toExpression(pattern: string): string {
  return pattern.replaceAll(escaped, (character) => (character === '*' ? '(.*)' : `\\${character}`))
}

function countSpecial(expression: string): number {
  return expression.match(/[*+?\\^$|()]/g)?.length ?? 0
}
