import { closest } from '#libs/core'
import { z } from 'zod'
import { isTree } from './environment.ts'
import type { Finding, Path } from './problems.ts'
import { general, keyModels, limits, model, modelDefaults, routingSections } from './routing-schema.ts'
import { httpUrl, label, milliseconds, name, number, onDisconnect } from './schema-parts.ts'
import { secret, section, text, weight } from './schema-parts.ts'
import { batches, files, redis, server, serverSections, storage, webhooks } from './server-schema.ts'

/**
 * The file's shape: snake_case with units in, camelCase out, every default in one place. What one setting alone
 * can get wrong is checked here; how settings fit together, in cross-checks.ts.
 */

const key = section({
  name: label.optional(),
  key: secret,
  tenant: name.default('default'),
  priority: z.enum(['interactive', 'standard', 'batch']).optional(),
  models: keyModels.optional(),
  limits: limits.optional(),
  on_disconnect: onDisconnect.optional(),
})

const timeouts = section({
  connect_ms: milliseconds.default(5000),
  first_byte_ms: milliseconds.default(120_000),
  idle_ms: milliseconds.default(60_000),
  total_ms: milliseconds.default(600_000),
})

/** It may become part of a host name or a path. */
const option = z
  .string()
  .regex(/^[\w.-]{1,200}$/, 'must be 1 to 200 letters, digits, ., _ and -; put quotes around a number')

// What its value may be is known to the provider's type.
const providerKey = section({
  name: label.optional(),
  value: z.string(),
  weight,
  base_url: httpUrl.optional(),
  models: keyModels.optional(),
  limits: limits.optional(),
})

const promptCache = section({
  lifetime_ms: milliseconds.optional(),
  min_tokens: number(0, 1_000_000_000).optional(),
})

const provider = section({
  type: text,
  base_url: httpUrl.optional(),
  keys: z.array(providerKey).default([]),
  options: z.record(text, option).default({}),
  concurrency: number(1, 100_000).default(64),
  buffer_size: number(1, 10_000_000).default(5000),
  timeouts: timeouts.prefault({}),
  prompt_cache: promptCache.optional(),
})

const share = {
  weight: number(1, 1000),
  max_waiting: number(1, 10_000_000).optional(),
  max_running: number(1, 100_000).optional(),
}
const tenantDefaults = section({ ...share, weight: share.weight.default(1) })
const tenant = section({ ...share, weight: share.weight.optional() })

const file = section({
  server: server.prefault({}),
  redis: redis.prefault({}),
  storage: storage.prefault({ driver: 'directory' }),
  data_dir: text.default('.data'),
  files: files.prefault({}),
  batches: batches.prefault({}),
  keys: z.array(key).default([]),
  tenants: z.record(name, tenant).default({}),
  tenant_defaults: tenantDefaults.prefault({}),
  providers: z.record(name, provider),
  models: z.array(model).default([]),
  model_defaults: modelDefaults.prefault({}),
  general: general.prefault({}),
  webhooks: webhooks.prefault({}),
  prices: text.optional(),
})

export type FileSettings = z.output<typeof file>

/** The provider that is always there, in a file's words. */
export const simulator = { name: 'sim', type: 'simulator', concurrency: 256 } as const

export function createSimulator(): FileSettings['providers'][string] {
  return provider.parse({ type: simulator.type, concurrency: simulator.concurrency })
}

const sections = [
  ...serverSections,
  key,
  tenant,
  timeouts,
  providerKey,
  promptCache,
  provider,
  ...routingSections,
]
const secretKeys = new Set([
  'key',
  'keys',
  'value',
  'url',
  'access_key_id',
  'secret_access_key',
  'encryption_key',
])

/** The settings whose values are no secrets, and so may be shown with their line. */
export const publicKeys: ReadonlySet<string> = new Set(
  sections.flatMap((each) => Object.keys(each.in.shape)).filter((setting) => !secretKeys.has(setting)),
)

/** Either every setting with its default, or everything that is wrong with their shape. */
export function parseSettings(tree: unknown): { settings: FileSettings } | { findings: Finding[] } {
  return parseAs(file, tree)
}

/** The same for any other file. */
export function parseAs<Schema extends z.ZodType>(
  schema: Schema,
  tree: unknown,
): { settings: z.output<Schema> } | { findings: Finding[] } {
  const result = schema.safeParse(tree, { error: explain })
  if (result.success) return { settings: result.data }
  return { findings: result.error.issues.flatMap(toFindings) }
}

function toFindings(issue: z.core.$ZodIssue): Finding[] {
  const path = issue.path as Path
  if (issue.code === 'unrecognized_keys') {
    const messages = issue.message.split('\n')
    return issue.keys.map((unknown, index) => {
      return { path: [...path, unknown], message: messages[index] ?? 'unknown key', atKey: true }
    })
  }
  if (issue.code === 'invalid_key') {
    return [{ path, message: issue.issues[0]?.message ?? 'invalid name', atKey: true }]
  }
  return [{ path, message: issue.message }]
}

/** What people read. It never repeats the value, which may be a secret in the wrong place. */
function explain(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'unrecognized_keys':
      // One line a key: a zod issue has room for one message only.
      return issue.keys.map((unknown) => unknownKey(unknown, knownKeys(issue.inst))).join('\n')
    case 'invalid_value':
      return choice(issue.input, issue.values.map(String))
    case 'invalid_union':
      // The one union there is: the storage, by its driver.
      return choice(isTree(issue.input) ? issue.input.driver : undefined, ['directory', 's3'])
    case 'invalid_type':
      if (issue.input === undefined) return 'is required'
      return `must be ${typeNames[issue.expected] ?? issue.expected}${quotesMissing(issue) ? '; put quotes around it' : ''}`
    case 'too_small':
      if (issue.origin === 'number' || issue.origin === 'int') return `must be at least ${issue.minimum}`
      return 'must not be empty'
    case 'too_big':
      return `must be at most ${issue.maximum}`
    case 'invalid_format':
    case 'invalid_key':
    case 'invalid_element':
    case 'not_multiple_of':
    case 'custom':
      return 'is not valid'
  }
}

function unknownKey(unknown: string, known: string[]): string {
  const meant = closest(unknown, known)
  return meant === undefined
    ? `unknown key; known here: ${known.join(', ')}`
    : `unknown key; did you mean "${meant}"?`
}

function knownKeys(schema: unknown): string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
}

/** `must be one of …`, with a guess when the input is near to one. */
export function choice(input: unknown, options: readonly string[]): string {
  if (input === undefined) return `is required: one of ${options.join(', ')}`
  const meant = typeof input === 'string' ? closest(input, options) : undefined
  const guess = meant === undefined ? '' : `; did you mean "${meant}"?`
  return options.length === 1
    ? `must be ${options[0]}${guess}`
    : `must be one of ${options.join(', ')}${guess}`
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a whole number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a set of keys',
  record: 'a set of keys',
}

function quotesMissing({ expected, input }: z.core.$ZodRawIssue<z.core.$ZodIssueInvalidType>): boolean {
  return expected === 'string' && (typeof input === 'number' || typeof input === 'boolean')
}
