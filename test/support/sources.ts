import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The repository. */
export const root = join(import.meta.dirname, '..', '..')

/** A file of the repository. */
export interface Source {
  /** From the root on, with forward slashes. */
  path: string
  text: string
}

/** One `import` or re-export, as it is written. */
export interface Import {
  specifier: string
  /** Whether nothing of it is left when the types are stripped. */
  isTypeOnly: boolean
}

const generated = ['node_modules', '.git', '.cache', '.data']

/** The files that match one of the patterns, without what is installed or generated. */
export function readSources(...patterns: string[]): Source[] {
  return globSync(patterns, {
    cwd: root,
    withFileTypes: true,
    exclude: ({ name }) => generated.includes(name),
  })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path: path.slice(root.length + 1), text: readFileSync(path, 'utf8') }))
}

// No clause holds anything but names and punctuation, so a declaration or a comment cannot pass for one.
const staticImport = /^(?:import|export)\s+(?<clause>[\w\s{},*$]+?\sfrom\s+)?'(?<specifier>[^']+)'/gm
const dynamicImport = /\bimport\(\s*'(?<specifier>[^']+)'/g

/** What a module imports and re-exports, by `import()` too. */
export function readImports({ text }: Source): Import[] {
  const statics = [...text.matchAll(staticImport)].map(({ groups }) => ({
    specifier: groups?.specifier ?? '',
    isTypeOnly: isTypeOnly(groups?.clause ?? ''),
  }))
  const dynamics = [...text.matchAll(dynamicImport)].map(({ groups }) => ({
    specifier: groups?.specifier ?? '',
    isTypeOnly: false,
  }))
  return [...statics, ...dynamics]
}

function isTypeOnly(clause: string): boolean {
  if (clause.startsWith('type ')) return true
  const names = /^\{(.*)\}/s.exec(clause)?.[1]?.split(',') ?? []
  return names.length > 0 && names.every((name) => /^\s*(?:type\s.*)?$/s.test(name))
}
