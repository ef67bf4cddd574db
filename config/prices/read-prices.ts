import { basename } from 'node:path'
import { entryKey, type PriceFile } from '#libs/prices'
import { isTree } from '../environment.ts'
import { formatPath, showPath } from '../problems.ts'
import type { Finding, Problem } from '../problems.ts'
import { choice } from '../schema.ts'
import { readSource } from '../source-file.ts'
import { parseYamlFile } from '../yaml-file.ts'
import { isLitellmPrices, readLitellmPrices } from './litellm-prices.ts'
import { nativePriceKeys, readNativePrices } from './native-prices.ts'

/** What a file of prices says, or all that is wrong with it; a `finding` is about the setting that names it. */
export interface ReadPrices {
  readonly prices?: PriceFile
  readonly problems?: readonly Problem[]
  readonly finding?: Finding
}

/** Reads the file of prices that the setting names, if it does. `providers` are the names and types that are known. */
export function readPrices(
  source: unknown,
  { directory, providers }: { directory: string; providers: readonly string[] },
): ReadPrices {
  // Another than a text is refused by the schema.
  if (typeof source !== 'string' || source === '') return {}
  const read = readSource(source, directory)
  if ('message' in read) return { finding: { path: ['prices'], message: read.message } }
  return readText(source, read.text, providers)
}

/** Ours or LiteLLM's. */
function readText(source: string, text: string, providers: readonly string[]): ReadPrices {
  let tree: unknown
  try {
    tree = JSON.parse(text)
  } catch {
    // Only the other parser tells where, and JSON is YAML.
    const { problems } = parseYamlFile(source, text, { publicKeys: new Set() })
    const message = 'is no valid JSON'
    return { problems: problems.length > 0 ? problems : [{ source, message }] }
  }
  if (isLitellmPrices(tree)) {
    const { entries, findings } = readLitellmPrices(tree)
    if (findings.length > 0) return { problems: locate(source, text, findings) }
    return { prices: { source: basename(source), date: null, entries } }
  }
  if (!isTree(tree) || tree.prices === undefined) {
    const message =
      'is no file of prices: it has neither a list "prices" nor models with LiteLLM’s litellm_provider'
    return { problems: [{ source, message }] }
  }
  const native = readNativePrices(tree)
  if ('findings' in native) return { problems: locate(source, text, native.findings) }
  const findings = checkEntries(native.entries, providers)
  if (findings.length > 0) return { problems: locate(source, text, findings) }
  const { entries, date, source: said = basename(source) } = native
  return { prices: { source: said, date: date ?? null, entries } }
}

function checkEntries(entries: PriceFile['entries'], providers: readonly string[]): Finding[] {
  const seen = new Map<string, number>()
  return entries.flatMap((entry, index): Finding[] => {
    const first = seen.get(entryKey(entry))
    if (first === undefined) seen.set(entryKey(entry), index)
    if (first !== undefined) {
      return [{ path: ['prices', index, 'model'], message: `has its prices in prices[${first}] already` }]
    }
    if (entry.provider === undefined || providers.includes(entry.provider)) return []
    return [{ path: ['prices', index, 'provider'], message: choice(entry.provider, providers) }]
  })
}

/** Places are looked for only when there is something to say, since that takes seconds for a large file. */
function locate(source: string, text: string, findings: readonly Finding[]): Problem[] {
  const file = parseYamlFile(source, text, { publicKeys: nativePriceKeys })
  const told = new Set<string>()
  return findings.flatMap(({ path, message, atKey = false }) => {
    if (told.has(formatPath(path))) return []
    told.add(formatPath(path))
    return [{ source, message: `${showPath(path)}: ${message}`, place: file.locate(path, atKey) }]
  })
}
