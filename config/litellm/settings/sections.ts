import { isTree, toList } from '../../environment.ts'
import type { Tree } from '../../environment.ts'
import type { Path } from '../../problems.ts'
import { reportSharedParams } from '../deployments/deployments.ts'
import { compact, toNumber } from '../import-context.ts'
import type { ImportContext } from '../import-context.ts'
import { reliabilityHandlers } from './reliability.ts'
import { generalRules, litellmRules, routerRules, topLevelRules } from './section-rules.ts'
import { isOff, readSection, reportByRule, reportSslVerify } from './setting-rules.ts'
import type { Handlers, Rules } from './setting-rules.ts'

/** The native sections that the settings make; what they say of models is read elsewhere. */
export function readSections(context: ImportContext): Tree {
  const native: Record<string, unknown> = {}
  const sections: Readonly<Record<string, { handlers: Handlers; rules: Rules }>> = {
    router_settings: { handlers: routerHandlers(context), rules: routerRules },
    litellm_settings: { handlers: litellmHandlers(context, native), rules: litellmRules },
    general_settings: { handlers: generalHandlers(context, native), rules: generalRules },
  }
  for (const [key, value] of Object.entries(context.tree)) {
    const section = Object.hasOwn(sections, key) ? sections[key] : undefined
    if (section !== undefined && isTree(value)) {
      // Whether there is a master key is asked even where there is no such section.
      const rest = Object.entries(value).filter(([name]) => name !== 'master_key')
      readSection(context, [key], { section: Object.fromEntries(rest), ...section })
    } else if (section !== undefined) reportNoSection(context, key, value)
    else if (key !== 'model_list') reportTopLevel(context, key, value)
  }
  readMasterKey(context, native)
  return native
}

function reportNoSection(context: ImportContext, key: string, value: unknown): void {
  if (value === null) context.report('honoured', [key], 'has no value')
  else
    context.report('refused', [key], 'must be a set of keys, each with a colon behind it: "fallbacks: […]"')
}

function reportTopLevel(context: ImportContext, key: string, value: unknown): void {
  if (key === 'include') context.report('honoured', [key], 'is laid in')
  else if (key === 'credential_list') reportCredentials(context, value)
  else if (key === 'environment_variables') {
    context.report('mapped', [key], 'is read before every reference, and not only before some')
  } else if (key === 'guardrails') reportGuardrails(context, value, [key])
  else reportByRule(context, [key], { value, rules: topLevelRules })
}

function reportCredentials(context: ImportContext, list: unknown): void {
  for (const [index, credential] of (toList(list) ?? []).entries()) {
    for (const [key, value] of Object.entries(isTree(credential) ? credential : {})) {
      const path = ['credential_list', index, key]
      if (key === 'credential_values' && isTree(value)) reportSharedParams(context, value, path)
      else context.report('honoured', path, 'tells which credential it is')
    }
  }
}

function routerHandlers(context: ImportContext): Handlers {
  return {
    ...reliabilityHandlers(context, 'router'),
    default_litellm_params(value, path) {
      if (isTree(value)) reportSharedParams(context, value, path)
    },
    // Reported where it is known which groups there are.
    model_group_alias: () => {},
  }
}

function litellmHandlers(context: ImportContext, native: Record<string, unknown>): Handlers {
  const callbacks = (value: unknown, path: Path): void => reportCallbacks(context, value, path)
  return {
    ...reliabilityHandlers(context, 'litellm'),
    drop_params(value, path) {
      if (value !== true) return context.report('honoured', path, 'is off')
      native.general = { ...(native.general as Tree | undefined), drop_unsupported_params: true }
      context.became(path, 'general.drop_unsupported_params')
    },
    include_cost_in_streaming_usage(value, path) {
      if (value !== true) return context.report('honoured', path, 'is off')
      native.general = { ...(native.general as Tree | undefined), include_cost: true }
      context.report('mapped', path, 'becomes general.include_cost: answers in one piece tell it, too')
    },
    callbacks,
    success_callback: callbacks,
    failure_callback: callbacks,
    guardrails: (value, path) => reportGuardrails(context, value, path),
    ssl_verify: (value, path) => reportSslVerify(context, value, path),
    s3_callback_params(value, path) {
      const storage = isTree(value) ? toStorage(context, value, path) : undefined
      if (storage === undefined || !sendsToS3(context.tree)) {
        return context.report('ignored', path, 'no callback is s3, or there is no bucket')
      }
      native.storage = storage
      context.origins.set('storage', path)
      context.report('mapped', path, 'becomes storage: finished runs are archived in this bucket')
    },
  }
}

function generalHandlers(context: ImportContext, native: Record<string, unknown>): Handlers {
  return {
    max_request_size_mb(value, path) {
      const megabytes = toNumber(value)
      if (megabytes === undefined) return context.report('ignored', path, 'is not a number, as it must be')
      native.server = { body_limit_bytes: Math.round(megabytes * 1_048_576) }
      context.origins.set('server.body_limit_bytes', path)
      context.report('honoured', path, 'becomes server.body_limit_bytes')
    },
    litellm_key_header_name(value, path) {
      native.general = { ...(native.general as Tree | undefined), key_header: value }
      context.origins.set('general.key_header', path)
      context.became(path, 'general.key_header')
    },
    global_max_parallel_requests(value, path) {
      native.general = { ...(native.general as Tree | undefined), parallel: toNumber(value) }
      context.origins.set('general.parallel', path)
      context.became(path, 'general.parallel')
    },
    max_parallel_requests(_, path) {
      context.became(path, 'keys[].limits')
    },
  }
}

/** With it there is one key, and without it LiteLLM lets everybody do everything. */
function readMasterKey(context: ImportContext, native: Record<string, unknown>): void {
  const path = ['general_settings', 'master_key']
  const general = isTree(context.tree.general_settings) ? context.tree.general_settings : {}
  const own = context.toNative(path)
  const variable = 'LITELLM_MASTER_KEY'
  const key = own ?? (context.read(variable) === undefined ? undefined : context.refer(variable))
  if (key !== undefined) {
    const limits = compact({ parallel: toNumber(general.max_parallel_requests) })
    native.keys = [compact({ name: 'master', key, tenant: 'default', limits })]
    context.origins.set('keys[0].key', path)
    const message =
      own === undefined ? `no master_key here: ${variable} is the one key` : 'is the one key, keys[0]'
    return context.report(own === undefined ? 'mapped' : 'honoured', path, message)
  }
  const message = 'no master_key: nobody has to show a key, and so the gateway answers this machine only'
  // One that is named and not set would leave open what was meant to be shut.
  const isNamed = general.master_key !== undefined
  context.report(
    isNamed ? 'refused' : 'mapped',
    path,
    isNamed ? 'has no value: set it, or take it out' : message,
  )
}

function reportCallbacks(context: ImportContext, value: unknown, path: Path): void {
  const names = (toList(value) ?? [value]).map(String)
  const python = names.filter((name) => name.includes('.'))
  if (python.length > 0) {
    return context.report(
      'refused',
      path,
      `callbacks python path: this release runs no Python; take out ${python.join(', ')}`,
    )
  }
  const unknown = names.filter((name) => !['prometheus', 's3', 's3_v2'].includes(name))
  if (unknown.length > 0) {
    return context.report(
      'ignored',
      path,
      `nothing is sent to ${unknown.join(', ')}; metrics are at GET /metrics`,
    )
  }
  const all = names.map((name) =>
    name === 'prometheus' ? 'GET /metrics is always there' : `${name} is the archive, storage`,
  )
  context.report('mapped', path, all.join('; ') || 'is empty')
}

/** Version 1 is in litellm_settings, by name; version 2 is a list at the top. */
function reportGuardrails(context: ImportContext, value: unknown, path: Path): void {
  const guardrails = (toList(value) ?? []).flatMap((item) => {
    if (!isTree(item)) return []
    return isTree(item.litellm_params) ? [item.litellm_params] : Object.values(item).filter(isTree)
  })
  const on = guardrails.filter((guardrail) => !isOff(guardrail.default_on))
  if (on.length === 0)
    context.report('ignored', path, 'there are no guardrails yet, and none of these is on by itself')
  else {
    const which = `${path.length > 1 ? 'v1 ' : ''}guardrails default_on`
    context.report('refused', path, `${which}: nothing watches over requests and answers yet; take it out`)
  }
}

function sendsToS3(tree: Tree): boolean {
  const litellm = isTree(tree.litellm_settings) ? tree.litellm_settings : {}
  return ['callbacks', 'success_callback', 'failure_callback']
    .flatMap((key) => toList(litellm[key]) ?? [litellm[key]])
    .some((name) => name === 's3' || name === 's3_v2')
}

function toStorage(context: ImportContext, section: Tree, path: Path): Tree | undefined {
  const of = (key: string): string | undefined => context.toNative([...path, `s3_${key}`])
  const bucket = of('bucket_name')
  if (bucket === undefined) return undefined
  const prefix = typeof section.s3_path === 'string' ? section.s3_path.replace(/^\/+|\/*$/g, '') : ''
  const [id, secret] = [of('aws_access_key_id'), of('aws_secret_access_key')]
  const hasBoth = id !== undefined && secret !== undefined
  return compact({
    driver: 's3',
    bucket,
    prefix: prefix === '' ? undefined : `${prefix}/`,
    region: of('region_name'),
    endpoint: of('endpoint_url'),
    access_key_id: hasBoth ? id : undefined,
    secret_access_key: hasBoth ? secret : undefined,
  })
}
