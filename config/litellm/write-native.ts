import { Document, isMap, isNode, isSeq } from 'yaml'
import type { Environment } from '../environment.ts'
import type { ConfigurableProvider } from '../config.ts'
import type { Problem } from '../problems.ts'
import { openLitellm, readSource } from '../source-file.ts'
import type { Compatibility, LitellmImport } from './import-litellm.ts'

/** The text of a file of ours that means what a file of LiteLLM's does, or why there is none. */
export type NativeFile =
  | { readonly ok: true; readonly yaml: string; readonly compatibility: readonly Compatibility[] }
  | {
      readonly ok: false
      readonly problems: readonly Problem[]
      readonly compatibility: readonly Compatibility[]
    }

/** What `millrace import` writes. References to the environment stay references, and settings that are refused are left out. */
export function toNativeFile(
  source: string,
  options: { environment?: Environment; directory?: string; providerSpecs: readonly ConfigurableProvider[] },
): NativeFile {
  const { environment = process.env, directory = process.cwd(), providerSpecs } = options
  const read = readSource(source, directory)
  if ('message' in read) return { ok: false, problems: [read], compatibility: [] }
  const opening = { environment, directory, providerSpecs, accepted: [], keepUnset: true }
  const imported = openLitellm(source, read.text, opening)
  if (imported === undefined) {
    const message = 'the file has none of the sections of LiteLLM, such as model_list'
    return { ok: false, problems: [{ source, message }], compatibility: [] }
  }
  const { problems, compatibility } = imported
  if (problems.length > 0) return { ok: false, problems, compatibility }
  return { ok: true, yaml: write(source, imported), compatibility }
}

function write(source: string, imported: LitellmImport): string {
  const order = ['server', 'storage', 'keys', 'general', 'providers', 'model_defaults', 'models']
  const sections = order.flatMap((key) =>
    imported.tree[key] === undefined ? [] : [[key, imported.tree[key]] as const],
  )
  const document = new Document(Object.fromEntries(sections), { aliasDuplicateObjects: false })
  const models = document.get('models')
  const told = new Set<string>()
  for (const [index, model] of (isSeq(models) ? models.items : []).entries()) {
    const about = imported.about(`models[${index}]`).filter(isWorthTelling)
    for (const { setting } of about) told.add(setting)
    if (isNode(model) && about.length > 0) model.commentBefore = toComment(about)
  }
  const rest = imported.compatibility.filter((found) => isWorthTelling(found) && !told.has(found.setting))
  document.commentBefore = [` Made of ${source} by "millrace import".`, ...lines(rest)].join('\n')
  if (isMap(document.contents)) {
    for (const { key } of document.contents.items.slice(1)) if (isNode(key)) key.spaceBefore = true
  }
  return document.toString({ lineWidth: 0 })
}

function isWorthTelling({ verdict }: Compatibility): boolean {
  return verdict !== 'honoured'
}

function toComment(found: readonly Compatibility[]): string {
  return lines(found).join('\n')
}

function lines(found: readonly Compatibility[]): string[] {
  return found.map(
    ({ verdict, setting, message }) => ` ${verdict}: ${setting}: ${message.replaceAll(/\s+/g, ' ')}`,
  )
}
