import { isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, parseDocument, visit } from 'yaml'
import type { Document, Node, Scalar, YAMLError } from 'yaml'
import { isShownKey } from './problems.ts'
import type { Path, Place, Problem } from './problems.ts'

export interface YamlFile {
  /** Plain values; undefined when the text is not YAML or is empty. */
  readonly tree: unknown
  readonly problems: Problem[]
  /** Where the setting is, or the nearest thing around it that exists; undefined when nothing does. */
  locate(path: Path, atKey: boolean): Place | undefined
  /** Keys that are set again further down in the same place. Problems, unless `resolveScalar` reads the file. */
  readonly overwritten: readonly { path: Path; place: Place }[]
}

export interface YamlOptions {
  /** The settings whose values may be shown when their line is. */
  readonly publicKeys: ReadonlySet<string>
  /** Reads unquoted texts by rules other than YAML 1.2's; the last of equal keys then counts, in silence. */
  readonly resolveScalar?: (text: string) => unknown
}

export function parseYamlFile(source: string, text: string, options: YamlOptions): YamlFile {
  const { publicKeys, resolveScalar } = options
  const lineCounter = new LineCounter()
  const rules = resolveScalar && ({ schema: 'failsafe', merge: true, uniqueKeys: false } as const)
  const document = parseDocument(text, { lineCounter, prettyErrors: false, stringKeys: true, ...rules })
  if (resolveScalar !== undefined) resolvePlainScalars(document, resolveScalar)
  const readable = document.errors.every((error) => error.code === 'DUPLICATE_KEY')
  // Where the text is broken no key can be trusted to belong to the value that follows it.
  const lines = maskValues(text, readable ? publicKeys : new Set()).split(/\r?\n/)

  const placeAt = ([start, end]: Range): Place => {
    const { line, col } = lineCounter.linePos(start)
    const lineText = lines[line - 1] ?? ''
    const length = Math.max(1, Math.min(end - start, lineText.length - col + 1))
    return { line, column: col, length, text: lineText }
  }
  const problems = [...document.errors, ...document.warnings].map((error) => {
    return { source, message: syntaxMessage(error), place: placeAt(error.pos) }
  })
  for (const range of brokenAliases(document)) {
    const message =
      'YAML: no anchor of this name comes before it; put quotes around a text that starts with *'
    problems.push({ source, message, place: placeAt(range) })
  }

  const usable = readable && problems.length === document.errors.length
  return {
    tree: usable ? document.toJS({ maxAliasCount: -1 }) : undefined,
    problems,
    locate(path, atKey) {
      const range = findRange(document, path, atKey)
      return range && placeAt(range)
    },
    overwritten: findOverwritten(document.contents, []).map(({ path, range }) => {
      return { path, place: placeAt(range) }
    }),
  }
}

function resolvePlainScalars(document: Document, resolve: (text: string) => unknown): void {
  visit(document, {
    Scalar(key, scalar) {
      const isPlain = scalar.type === 'PLAIN' && scalar.tag === undefined
      if (key !== 'key' && isPlain) scalar.value = resolve(scalar.source ?? '')
    },
  })
}

function findOverwritten(node: unknown, path: Path): { path: Path; range: Range }[] {
  if (isSeq<Node>(node)) return node.items.flatMap((item, index) => findOverwritten(item, [...path, index]))
  if (!isMap<Scalar, Node>(node)) return []
  const names = node.items.map(({ key }) => String(key.value))
  return node.items.flatMap(({ key, value }, index) => {
    const pathOfPair = [...path, names[index] ?? '']
    const isLast = names.lastIndexOf(names[index] ?? '') === index
    return isLast ? findOverwritten(value, pathOfPair) : [{ path: pathOfPair, range: toRange(key) }]
  })
}

type Range = readonly [start: number, end: number]

function syntaxMessage(error: YAMLError): string {
  if (error.code === 'DUPLICATE_KEY') return 'this key is already set above; keep one of the two'
  // Some messages end in a quotation of the file, which may be a secret.
  return `YAML: ${error.message.replace(/(?<! ): .*/s, '').replace(/^\w/, (letter) => letter.toLowerCase())}`
}

function brokenAliases(document: Document): Range[] {
  const broken: Range[] = []
  visit(document, {
    Alias(_, alias) {
      const target = alias.resolve(document)
      const [start, end] = toRange(alias)
      const containsItself = target && toRange(target)[0] <= start && end <= toRange(target)[1]
      if (target === undefined || containsItself) broken.push([start, end])
    },
  })
  return broken
}

function findRange(document: Document, path: Path, atKey: boolean): Range | undefined {
  let node: unknown = document.contents
  let found: Range | undefined
  for (const [depth, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document)
    if (isMap<Node, Node | null>(node)) {
      // As for the values, the last of two equal keys counts.
      const pair = node.items.findLast(({ key }) => isScalar(key) && String(key.value) === String(step))
      if (pair === undefined) return found
      const pointAtValue =
        depth === path.length - 1 && !atKey && isScalar(pair.value) && pair.value.source !== ''
      found = toRange(pointAtValue && pair.value ? pair.value : pair.key)
      node = pair.value
    } else if (isSeq<Node>(node) && typeof step === 'number') {
      const item: Node | undefined = node.items[step]
      if (item === undefined) return found
      const [start, end] = toRange(item)
      found = isScalar(item) ? [start, end] : [start, start + 1]
      node = item
    } else {
      return found
    }
  }
  return found
}

function toRange(node: Node): Range {
  const [start = 0, end = start] = node.range ?? []
  return [start, end]
}

const reference = /^["']?(?:\$\{\w+\}|os\.environ\/\w+)["']?$/

/**
 * The text with `*` over every value that is not known to be harmless, and over comments. Columns stay. It works on
 * tokens, not on the parsed file, so that a misspelt key hides its value too.
 */
function maskValues(text: string, publicKeys: ReadonlySet<string>): string {
  const tokens = [...new Lexer().lex(text)].filter((token) => !lexerMarks.has(token))
  let key = ''
  return tokens
    .map((token, index) => {
      if (/^\s*$/.test(token) || indicators.has(token)) return token
      const next = tokens.slice(index + 1).find((later) => !/^[ \t]*$/.test(later))
      if (next === ':') {
        key = token.replaceAll(/["']/g, '')
        return isShownKey(key) ? token : mask(token)
      }
      const harmless = publicKeys.has(key) && !/[@?\n#]/.test(token)
      return harmless || reference.test(token) ? token : mask(token)
    })
    .join('')
}

/** What the lexer puts between tokens and is not in the text: start of document, end of a flow, plain scalar. */
const lexerMarks = new Set(['\u0002', '\u0018', '\u001F'])
const indicators = new Set(['{', '}', '[', ']', ',', ':', '-', '?', '---', '...', '|', '>', '\uFEFF'])

function mask(token: string): string {
  return token.replaceAll(/[^\s"']/g, '*')
}
