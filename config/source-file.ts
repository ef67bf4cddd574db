import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ConfigurableProvider } from './config.ts'
import type { Environment } from './environment.ts'
import { importLitellm } from './litellm/import-litellm.ts'
import type { Compatibility, LitellmImport } from './litellm/import-litellm.ts'
import { isLitellm } from './litellm/litellm-file.ts'
import type { Path, Place, Problem } from './problems.ts'
import { publicKeys } from './schema.ts'
import { parseYamlFile } from './yaml-file.ts'

/** A file of ours, or one of LiteLLM's said in our words. */
export interface SourceFile {
  readonly tree: unknown
  readonly problems: readonly Problem[]
  locate(path: Path, atKey: boolean): { source: string; place?: Place | undefined }
  /** Of a file of LiteLLM's alone. */
  readonly compatibility?: readonly Compatibility[]
}

export interface SourceOptions {
  directory: string
  environment: Environment
  providerSpecs: readonly ConfigurableProvider[]
  accepted: readonly string[]
}

/** The file to read: the one that is named, else `millrace.yaml` if it is there. */
export function findSource(
  path: string | undefined,
  environment: Environment,
  directory: string,
): string | undefined {
  const named = path ?? (environment.MILLRACE_CONFIG || undefined)
  if (named !== undefined) return named
  return existsSync(resolve(directory, 'millrace.yaml')) ? 'millrace.yaml' : undefined
}

/** Reads a file of either kind. One that cannot be read is a problem. */
export function openSource(source: string, options: SourceOptions): SourceFile {
  const read = readSource(source, options.directory)
  if ('message' in read) return { tree: undefined, problems: [read], locate: () => ({ source }) }
  return openLitellm(source, read.text, { ...options, keepUnset: false }) ?? openNative(source, read.text)
}

/** The file in our words, if it is one of LiteLLM's. */
export function openLitellm(
  source: string,
  text: string,
  options: SourceOptions & { keepUnset: boolean },
): LitellmImport | undefined {
  const { tree } = parseYamlFile(source, text, { publicKeys })
  // A file that is no YAML cannot be asked, and looks like one of the two.
  const isBroken =
    tree === undefined && /^(?:model_list|(?:litellm|router|general)_settings)[ \t]*:/m.test(text)
  return isLitellm(tree) || isBroken ? importLitellm(source, text, options) : undefined
}

function openNative(source: string, text: string): SourceFile {
  const file = parseYamlFile(source, text, { publicKeys })
  return { ...file, locate: (path, atKey) => ({ source, place: file.locate(path, atKey) }) }
}

/** The text, or why there is none. */
export function readSource(source: string, directory: string): { text: string } | Problem {
  try {
    return { text: readFileSync(resolve(directory, source), 'utf8') }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'for an unknown reason'
    const message = code === 'ENOENT' ? 'there is no such file' : `the file cannot be read (${code})`
    return { source, message }
  }
}
