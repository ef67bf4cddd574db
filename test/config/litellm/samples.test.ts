import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { formatProblems, loadConfig, toNativeFile, type Compatibility } from '#config'
import { expect, test } from 'vitest'
import { resolvePlainScalar } from '../../../config/litellm/yaml-1-1.ts'
import { parseYamlFile } from '../../../config/yaml-file.ts'
import { load } from '../support.ts'
import { isWritten, providerSpecs } from './support.ts'

/** Files of LiteLLM's own repository, and its lists of settings. They are not part of this one. */
const data = resolve(import.meta.dirname, '../../../../shared/data')
const samples = resolve(data, 'litellm-configs')
const isThere = existsSync(samples)
if (!isThere) process.stderr.write('The samples of LiteLLM are not here, so their tests are skipped.\n')

interface Expectation {
  groups?: number
  wildcards?: string[]
  multi?: Record<string, number>
  load: boolean | 'refuse-or-opt-out'
  must_find?: string[]
}

function read(path: string): string {
  return readFileSync(resolve(data, path), 'utf8')
}

const expectations = isThere
  ? Object.entries(JSON.parse(read('litellm-configs/expectations.json')) as Record<string, Expectation>)
  : []

/** Every variable is set, so that what is imported can be loaded too. */
const environment = Object.fromEntries([
  ...['MISTRAL_API_KEY', 'BEDROCK_API_KEY', 'OPENAI_API_KEY'].map((name) => [name, 'key']),
  ...expectations.flatMap(([name]) => {
    const text = existsSync(resolve(samples, name)) ? read(`litellm-configs/${name}`) : ''
    return [...text.matchAll(/os\.environ\/(\w+)/g)].map(([, variable]) => [
      variable,
      variable?.endsWith('_BASE') ? 'https://base.example' : `value-of-${variable}`,
    ])
  }),
])

function loadSample(name: string, acceptUnsupported: readonly string[] = []) {
  const overrides = { acceptUnsupported }
  return loadConfig({ path: name, workingDirectory: samples, environment, providerSpecs, overrides })
}

/** In the words of the expectations. */
function tell({ setting, message }: Compatibility): string {
  return `${setting} ${message}`
}

test.skipIf(!isThere)('there are samples', () => expect(expectations.length).toBeGreaterThan(10))

test.skipIf(!isThere).each(expectations)('%s is loaded or not, as is expected', (name, expected) => {
  const result = loadSample(name)
  const stopping = result.compatibility?.filter(({ stopsStart }) => stopsStart) ?? []

  expect(result.ok, result.ok ? '' : formatProblems(result.problems)).toBe(expected.load === true)
  if (expected.load !== 'refuse-or-opt-out') return
  expect(stopping.length).toBeGreaterThan(0)
  expect(
    loadSample(
      name,
      stopping.map(({ setting }) => setting),
    ).ok,
  ).toBe(true)
})

test.skipIf(!isThere).each(expectations.filter(([, { load: loads }]) => loads === true))(
  '%s has the models that are expected',
  (name, expected) => {
    const result = loadSample(name)
    const models = result.ok ? result.config.models : []

    expect(models).toHaveLength(expected.groups ?? models.length)
    expect(
      models
        .map((model) => model.name)
        .filter((model) => model.includes('*'))
        .toSorted(),
    ).toEqual(expected.wildcards ?? [])
    for (const [group, count] of Object.entries(expected.multi ?? {})) {
      expect(models.find((model) => model.name === group)?.targets).toHaveLength(count)
    }
  },
)

test.skipIf(!isThere).each(expectations)('%s has the findings that are expected', (name, expected) => {
  const told = (loadSample(name).compatibility ?? []).map(tell)

  for (const wanted of expected.must_find ?? []) {
    const words = wanted.replace(/ \(.*/, '').split(/[\s:]+/)
    expect(
      told.some((line) => words.every((word) => line.includes(word))),
      wanted,
    ).toBe(true)
  }
})

test.skipIf(!isThere).each(expectations)('each key of %s has one finding', (name) => {
  const text = read(`litellm-configs/${name}`)
  const { tree } = parseYamlFile(name, text, { publicKeys: new Set(), resolveScalar: resolvePlainScalar })
  const found = (loadSample(name).compatibility ?? [])
    .filter(isWritten)
    .filter(({ message }) => !/^duplicate|^no entry/.test(message))
    .map(({ setting }) => setting)

  const wrong = leavesOf(tree, '').filter((leaf) => {
    return found.filter((setting) => leaf === setting || /^[.[]/.test(leaf.replace(setting, ''))).length !== 1
  })
  expect(wrong).toEqual([])
})

test.skipIf(!isThere).each(expectations.filter(([, { load: loads }]) => loads === true))(
  '%s means the same when it is imported',
  (name) => {
    const before = loadSample(name)
    const native = toNativeFile(name, { environment, directory: samples, providerSpecs })
    const after = load(native.ok ? native.yaml : '', { environment, providerSpecs })

    expect(after.ok, after.ok ? '' : formatProblems(after.problems)).toBe(true)
    expect(after.ok && { ...after.config, dataDir: '', storage: '' }).toEqual(
      before.ok && { ...before.config, dataDir: '', storage: '' },
    )
  },
)

test.skipIf(!isThere)('no setting that LiteLLM documents is unknown', () => {
  const known = JSON.parse(read('litellm-known-keys.json')) as Record<string, (string | { name: string })[]>
  const sections = {
    litellm_settings: known.litellm_settings_documented,
    general_settings: [...(known.general_settings_documented ?? []), ...(known.general_settings_get ?? [])],
    router_settings: [...(known.router_settings_documented ?? []), ...(known.router_settings_code ?? [])],
  }
  for (const [section, keys] of Object.entries(sections)) {
    const names = (keys ?? []).map((key) => (typeof key === 'string' ? key : key.name))
    const settings = Object.fromEntries(names.map((key) => [key, 'x']))
    const { compatibility = [] } = load(JSON.stringify({ model_list: [], [section]: settings }))
    expect(compatibility.filter(({ message }) => message.startsWith('is no setting')).map(tell)).toEqual([])
  }
})

/** `model_list[0].litellm_params.model` */
function leavesOf(value: unknown, path: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => leavesOf(item, `${path}[${index}]`))
  if (typeof value !== 'object' || value === null) return [path]
  return Object.entries(value).flatMap(([key, item]) => leavesOf(item, path === '' ? key : `${path}.${key}`))
}
