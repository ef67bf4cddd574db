import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { dialects, isChatDialect, type Dialect } from '#libs/dialects'
import { providerSpecs, type ProviderSpec } from '#libs/providers'

const root = join(import.meta.dirname, '..')

/** `docs/providers.md`, made of the registry and of the cases that the conformance suite replays. */
export function providerDocs(): string {
  return `# Providers

<!-- \`npm run docs\` writes this page from the registry; a test fails when it is not up to date. -->

A provider of the configuration has one of these types. Where the variable of a key is set and there is no \`providers\` section, the
provider is there by itself, under the name of its type.

${table(['type', 'address', 'key', 'variables'], providerSpecs.map(toAccess))}

## Options

\`providers.<name>.options\` holds what a type must know beside its address and its keys.

${table(['type', 'option', 'variable', 'default', 'meaning'], providerSpecs.flatMap(toOptions))}

## Which endpoint for which provider

**native** means that the provider speaks the client's dialect: the request goes to it as the client wrote it, but for the model's
name and a few fields that are called otherwise there. **translated** means that it speaks another one: the gateway puts the request
and the answer in its own words, and refuses what has none. **built in** is answered without a call. **operation** is work that goes on at the
provider, which is asked how far it is ([videos](guides/video.md)). Where a type has the
models of several makers, native holds for those of the dialect's own maker, and the others are translated.

${table(['type', ...Object.keys(dialects).map(code)], providerSpecs.map(toSupport))}

## What is tested

\`test/fixtures/<type>\` holds what a provider gets and answers, after its published reference, which its \`SOURCE.md\` names. The conformance suite
replays each through the code that calls the real one, and cuts each stream at every byte.

${table(['type', 'cases'], providerSpecs.filter(({ builtIn }) => builtIn === undefined).map(toCases))}
`
}

function toAccess(spec: ProviderSpec): string[] {
  const { key, baseUrl } = spec.environment ?? {}
  const variables = [key, baseUrl].filter((name) => name !== undefined)
  const address = spec.builtIn === undefined ? (spec.defaultBaseUrl ?? 'yours') : 'none'
  return [
    code(spec.type),
    /^https?:/.test(address) ? code(address) : address,
    spec.keyForms ?? toNeed(spec),
    variables.map(code).join(', '),
  ]
}

function toNeed({ builtIn, needsKey }: ProviderSpec): string {
  if (builtIn !== undefined) return 'none'
  return needsKey ? 'needed' : 'if it wants one'
}

function toOptions({ type, options = {} }: ProviderSpec): string[][] {
  return Object.entries(options).map(([name, option]) => [
    code(type),
    code(name),
    option.variable === undefined ? '' : code(option.variable),
    option.default === undefined ? (option.required === true ? 'required' : '') : code(option.default),
    option.description,
  ])
}

function toSupport(spec: ProviderSpec): string[] {
  return [code(spec.type), ...Object.values(dialects).map((dialect) => support(spec, dialect))]
}

function support(spec: ProviderSpec, dialect: Dialect): string {
  const { native, adapter, builtIn, operations = builtIn?.operations } = spec
  if (native[dialect.name] !== undefined) return 'native'
  if (operations?.[dialect.name] !== undefined) return 'operation'
  if (builtIn !== undefined) {
    return isChatDialect(dialect) || builtIn.answers?.[dialect.name] !== undefined ? 'built in' : ''
  }
  return adapter !== undefined && isChatDialect(dialect) ? 'translated' : ''
}

function toCases({ type }: ProviderSpec): string[] {
  const path = join(root, 'test/fixtures', type, 'cases.json')
  const cases = JSON.parse(readFileSync(path, 'utf8')) as { name: string }[]
  return [code(type), cases.map(({ name }) => name).join(', ')]
}

function table(head: string[], rows: string[][]): string {
  return [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell || '–').join(' | ')} |`)
    .join('\n')
}

function code(text: string): string {
  return `\`${text}\``
}
