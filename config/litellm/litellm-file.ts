import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isTree, toList } from '../environment.ts'
import type { Tree } from '../environment.ts'
import type { Path, Place, Problem } from '../problems.ts'
import { parseYamlFile } from '../yaml-file.ts'
import type { YamlFile } from '../yaml-file.ts'
import { resolvePlainScalar } from './yaml-1-1.ts'

/** A LiteLLM configuration with what it includes laid in. */
export interface LitellmFile {
  readonly tree: Tree
  readonly problems: readonly Problem[]
  /** Keys that LiteLLM reads and something else takes the place of. */
  readonly replaced: readonly { path: Path; location: Location; by: string }[]
  /** Where a setting is written, the including file or an included one. */
  locate(path: Path, atKey: boolean): Location
}

export interface Location {
  readonly source: string
  readonly place?: Place | undefined
}

const marks = ['model_list', 'litellm_settings', 'router_settings', 'general_settings']
const publicKeys = new Set(['model_name', 'model', 'routing_strategy', 'rpm', 'tpm', 'weight', 'order'])

/** Whether the top of a file is LiteLLM's: none of the marks is a key of ours, and `include` may be a slip. */
export function isLitellm(tree: unknown): boolean {
  if (!isTree(tree)) return false
  const isOurs = Object.hasOwn(tree, 'models') || Object.hasOwn(tree, 'providers')
  return marks.some((mark) => Object.hasOwn(tree, mark)) || (Object.hasOwn(tree, 'include') && !isOurs)
}

/** `directory` is what the path of the source starts from. */
export function readLitellmFile(source: string, text: string, directory: string): LitellmFile {
  const main = parseYamlFile(source, text, { publicKeys, resolveScalar: resolvePlainScalar })
  const problems = main.problems.map((problem) => explainSyntax(problem, text))
  const parts = new Map<string, Part[]>()
  const replaced: LitellmFile['replaced'][number][] = []
  const tree: Record<string, unknown> = {}

  /** Lists grow, and everything else is replaced: so an included section wipes the one that includes it. */
  const layIn = (file: YamlFile, name: string): void => {
    for (const { path, place } of file.overwritten) {
      replaced.push({
        path,
        location: { source: name, place },
        by: `line ${lastLine(file, path)} of ${name}`,
      })
    }
    for (const [key, value] of Object.entries(isTree(file.tree) ? file.tree : {})) {
      const [before, after] = [toList(tree[key]), toList(value)]
      const part = { file, source: name, from: before?.length ?? 0 }
      if (before !== undefined && after !== undefined) {
        tree[key] = [...before, ...after]
        parts.get(key)?.push(part)
      } else {
        const [old] = parts.get(key) ?? []
        if (old !== undefined) replaced.push({ path: [key], location: locateIn(old, [key], true), by: name })
        tree[key] = value
        parts.set(key, [{ ...part, from: 0 }])
      }
    }
  }
  const locate = (path: Path, atKey: boolean): Location => {
    const [key = '', index] = path
    const held = parts.get(String(key)) ?? []
    const part = typeof index === 'number' ? held.findLast(({ from }) => from <= index) : held[0]
    if (part === undefined) return { source, place: undefined }
    const inPart = typeof index === 'number' ? [key, index - part.from, ...path.slice(2)] : path
    return locateIn(part, inPart, atKey)
  }

  layIn(main, source)
  // The list may grow while it is read: an included file may include more, from the same directory.
  for (let index = 0; index < (toList(tree.include)?.length ?? 0) && index < 1000; index++) {
    const name = toList(tree.include)?.[index]
    if (typeof name !== 'string') continue
    const path = join(dirname(source), name)
    const included = readIncluded(path, directory)
    if (included === undefined) {
      problems.push({
        ...locate(['include', index], false),
        message: `include: there is no file ${path}; paths start from the directory of ${source}`,
      })
      continue
    }
    problems.push(...included.problems)
    layIn(included, path)
  }
  return { tree, problems, replaced, locate }
}

interface Part {
  file: YamlFile
  source: string
  /** The place in the whole list of its first item. */
  from: number
}

function locateIn({ file, source }: Part, path: Path, atKey: boolean): Location {
  return { source, place: file.locate(path, atKey) }
}

function lastLine(file: YamlFile, path: Path): number {
  return file.locate(path, true)?.line ?? 0
}

function readIncluded(path: string, directory: string): YamlFile | undefined {
  let text: string
  try {
    text = readFileSync(path.startsWith('/') ? path : join(directory, path), 'utf8')
  } catch {
    return undefined
  }
  return parseYamlFile(path, text, { publicKeys, resolveScalar: resolvePlainScalar })
}

/** LiteLLM's own documentation has `fallbacks=[…]` under router_settings, which people paste. */
function explainSyntax(problem: Problem, text: string): Problem {
  const pasted = /^\s*(\w+)\s*=\s*[[{]/m.exec(text)?.[1]
  if (pasted === undefined) return problem
  return { ...problem, message: `${problem.message} (write "${pasted}: […]" instead of "${pasted}=[…]")` }
}
