import type { Tree } from '../../environment.ts'
import type { ImportContext } from '../import-context.ts'
import { compact } from '../import-context.ts'
import type { Path } from '../../problems.ts'

export interface ProviderUse {
  /** LiteLLM's word for the provider. */
  prefix: string
  type: string
  baseUrl: string | undefined
  /** A key or a reference to one; undefined leaves it to the environment. */
  key: string | undefined
  options: Tree | undefined
  /** The deployment that asks for it. */
  path: Path
}

/** Makes one provider of all deployments that have the type, the address, the key and the options in common. */
export interface ProviderCollection {
  /** The name of the provider for a deployment. */
  use(wanted: ProviderUse): string
  toTree(timeouts: Tree | undefined): Tree
}

export function createProviderCollection({ origins }: ImportContext): ProviderCollection {
  const byContent = new Map<string, string>()
  const providers = new Map<string, Tree>()
  return {
    use({ prefix, type, baseUrl, key, options, path }) {
      const content = JSON.stringify([type, baseUrl, key, options])
      const known = byContent.get(content)
      if (known !== undefined) return known
      const name = freeName(toName(prefix, type, baseUrl), providers)
      byContent.set(content, name)
      const keys = key === undefined ? undefined : [{ name: 'main', value: key }]
      providers.set(name, compact({ type, base_url: baseUrl, keys, options }) ?? {})
      origins.set(`providers.${name}`, path)
      origins.set(`providers.${name}.base_url`, [...path, 'api_base'])
      origins.set(`providers.${name}.keys`, [...path, 'api_key'])
      return name
    },
    toTree(timeouts) {
      const entries = [...providers].map(([name, provider]) => [
        name,
        timeouts ? { ...provider, timeouts } : provider,
      ])
      return Object.fromEntries(entries) as Tree
    },
  }
}

/** A vendor's servers are called after it, and others after their host. */
function toName(prefix: string, type: string, baseUrl: string | undefined): string {
  const host = prefix === 'openai' && type !== prefix ? URL.parse(baseUrl ?? '')?.hostname : undefined
  const word = host === undefined ? prefix : /^[\d.]+$/.test(host) ? 'local' : host.replace(/\..*$/, '')
  const name = word.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-')
  return name.replace(/^-+/, '').slice(0, 56) || 'provider'
}

function freeName(wanted: string, taken: ReadonlyMap<string, unknown>): string {
  let name = wanted
  // `sim` is the simulator's own.
  for (let number = 2; taken.has(name) || name === 'sim'; number++) name = `${wanted}-${number}`
  return name
}
