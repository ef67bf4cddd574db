import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatProblems, loadConfig } from '#config'
import type { Config, ConfigurableProvider, LoadOptions } from '#config'
import { onTestFinished } from 'vitest'

export const providerSpecs: ConfigurableProvider[] = [
  {
    type: 'openai',
    defaultBaseUrl: 'https://api.openai.com/v1',
    needsKey: true,
    environment: { key: 'OPENAI_API_KEY', baseUrl: 'OPENAI_BASE_URL' },
  },
  {
    type: 'anthropic',
    defaultBaseUrl: 'https://api.anthropic.com',
    needsKey: true,
    environment: { key: 'ANTHROPIC_API_KEY' },
  },
  { type: 'openai-compatible', needsKey: false },
  { type: 'simulator', needsKey: false, builtIn: { models: [], async *stream() {} } },
]

type Options = Partial<LoadOptions>

/** A directory with this `millrace.yaml`, or with none; it goes when the test ends. */
export function makeDirectory(yaml?: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-config-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  if (yaml !== undefined) writeFileSync(join(directory, 'millrace.yaml'), yaml)
  return directory
}

export function load(yaml: string | undefined, options: Options = {}) {
  const workingDirectory = makeDirectory(yaml)
  return loadConfig({ providerSpecs, environment: {}, workingDirectory, ...options })
}

export function mustLoad(yaml: string | undefined, options: Options = {}): Config {
  const result = load(yaml, options)
  if (!result.ok) throw new Error(formatProblems(result.problems))
  return result.config
}

/** The problems as people see them, and none of the lines shown. */
export function problemsOf(yaml: string | undefined, options: Options = {}): string[] {
  const result = load(yaml, options)
  if (result.ok) return []
  return result.problems.map((problem) => formatProblems([problem]).split('\n')[0] ?? '')
}
