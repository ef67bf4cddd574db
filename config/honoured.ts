import { isTree } from './environment.ts'
import type { Tree } from './environment.ts'
import { formatPath } from './problems.ts'
import type { Finding, Path } from './problems.ts'

/**
 * The settings that are accepted and checked, and that nothing carries out yet, each with what happens instead. This
 * is the one place that knows: whoever builds one of them takes its line away, and the warnings of `millrace check`
 * and of the import from LiteLLM go with it. Items of lists count as their list.
 */
const notHonoured: Readonly<Record<string, string>> = {
  'general.drop_unsupported_params': 'parameters reach the provider as the client sent them',
}

/** What happens instead of a setting; undefined when it is carried out. Of a choice the value is asked for too. */
export function insteadOf(setting: string, value?: unknown): string | undefined {
  return notHonoured[setting] ?? notHonoured[`${setting}=${String(value)}`]
}

/** A warning for each setting of the file that has no effect yet, where it is first set. */
export function findNotHonoured(tree: Tree): Finding[] {
  const found = new Map<string, Finding>()
  const walk = (value: unknown, path: Path): void => {
    const setting = formatPath(path.filter((step) => typeof step === 'string'))
    const instead = insteadOf(setting, value)
    if (instead !== undefined) {
      const message = `is accepted, but this release does not carry it out yet: ${instead}`
      if (!found.has(setting)) found.set(setting, { path, message, atKey: true })
    } else if (Array.isArray(value)) {
      value.forEach((item, index) => walk(item, [...path, index]))
    } else if (isTree(value)) {
      for (const [key, item] of Object.entries(value)) walk(item, [...path, key])
    }
  }
  walk(tree, [])
  return [...found.values()]
}
