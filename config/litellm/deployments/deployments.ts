import { isTree, toList } from '../../environment.ts'
import type { Tree } from '../../environment.ts'
import type { Path } from '../../problems.ts'
import {
  infoRules,
  mergeTargets,
  paramRules,
  priceVerdict,
  rateLimits,
  translate,
  translations,
} from './deployment-params.ts'
import { toNumber } from '../import-context.ts'
import type { ImportContext, Verdict } from '../import-context.ts'
import type { ProviderCollection } from './providers.ts'
import { reportByRule, reportSslVerify } from '../settings/setting-rules.ts'
import { connectionParams, findConnection } from './connections.ts'
import type { Connection } from './connections.ts'

/** One entry of `model_list` that can be called. */
export interface Deployment {
  target: Tree
  /** What LiteLLM's shuffle may take as the weight. */
  weights: Readonly<Record<'weight' | 'rpm' | 'tpm', number | undefined>>
}

/** All entries of one name. */
export interface Group {
  name: string
  /** The first entry. */
  path: Path
  deployments: Deployment[]
  /** Why an entry was left out. */
  refusal: string | undefined
}

/** A parameter with the place where it is written, which may be a shared one. */
export interface Param {
  value: unknown
  path: Path
}

export interface DeploymentOptions {
  providers: ProviderCollection
  /** Whether `rpm` and `tpm` are limits, and not only weights. */
  keepsLimits: boolean
}

/** Reads `model_list`, and reports every key in it. An entry that cannot be called is left out, as LiteLLM does. */
export function readGroups(context: ImportContext, options: DeploymentOptions): Map<string, Group> {
  const groups = new Map<string, Group>()
  for (const [index, entry] of (toList(context.tree.model_list) ?? []).entries()) {
    const path = ['model_list', index]
    if (!isTree(entry) || !isTree(entry.litellm_params)) {
      const missing = `litellm_params missing at model_list[${index}]; it is to say which model of which provider to call`
      context.report('refused', [...path, 'litellm_params'], missing)
      if (isTree(entry)) reportEntry(context, entry, path)
      continue
    }
    const name = typeof entry.model_name === 'number' ? String(entry.model_name) : entry.model_name
    if (typeof name !== 'string' || name === '') {
      context.report('refused', [...path, 'model_name'], 'is required: the name that clients ask for')
    }
    reportEntry(context, entry, path)
    const params = gatherParams(context, entry, index)
    const outcome = readDeployment(context, params, { ...options, path })
    if (typeof name !== 'string') continue
    const group = groups.get(name) ?? { name, path, deployments: [], refusal: undefined }
    groups.set(name, group)
    if ('refusal' in outcome) group.refusal = outcome.refusal
    else group.deployments.push(outcome)
  }
  return groups
}

/** The keys of an entry beside `litellm_params`. */
function reportEntry(context: ImportContext, entry: Tree, path: Path): void {
  for (const [key, value] of Object.entries(entry)) {
    const keyPath = [...path, key]
    if (key === 'litellm_params') continue
    if (key === 'model_name') {
      if (typeof value === 'string' || typeof value === 'number')
        context.report('honoured', keyPath, 'is the name')
    } else if (key === 'model_info' && isTree(value)) {
      for (const [infoKey, info] of Object.entries(value)) {
        if (infoKey in translations || priceVerdict(infoKey) !== undefined || infoKey.startsWith('supports_'))
          continue
        reportByRule(context, [...keyPath, infoKey], { value: info, rules: infoRules })
      }
    } else if (key !== 'rpm' && key !== 'tpm') {
      context.report('ignored', keyPath, 'is no key of a deployment')
    }
  }
}

/** The later of these wins: the defaults of the router, the credential, the entry's own. */
function gatherParams(context: ImportContext, entry: Tree, index: number): Map<string, Param> {
  const { router_settings: router, credential_list: credentials } = context.tree
  const own = isTree(entry.litellm_params) ? entry.litellm_params : {}
  const info = isTree(entry.model_info) ? entry.model_info : {}
  const params = new Map<string, Param>()
  const add = (section: unknown, path: Path): void => {
    for (const [key, value] of Object.entries(isTree(section) ? section : {})) {
      const beaten = params.get(key)?.path
      if (beaten?.[0] === 'model_list')
        context.report('ignored', beaten, 'litellm_params has it too, and wins')
      params.set(key, { value, path: [...path, key] })
    }
  }
  const isShared = (key: string): boolean =>
    key in translations || priceVerdict(key) !== undefined || key.startsWith('supports_')
  add(isTree(router) ? router.default_litellm_params : undefined, [
    'router_settings',
    'default_litellm_params',
  ])
  const found = (toList(credentials) ?? []).findIndex((credential) => {
    return isTree(credential) && credential.credential_name === own.litellm_credential_name
  })
  const credential = toList(credentials)?.[found]
  if (isTree(credential)) {
    add(credential.credential_values, ['credential_list', found, 'credential_values'])
  }
  add(Object.fromEntries(Object.entries(info).filter(([key]) => isShared(key))), [
    'model_list',
    index,
    'model_info',
  ])
  for (const key of ['rpm', 'tpm']) {
    if (entry[key] !== undefined) add({ [key]: entry[key] }, ['model_list', index])
  }
  add(own, ['model_list', index, 'litellm_params'])
  return params
}

function readDeployment(
  context: ImportContext,
  params: Map<string, Param>,
  { providers, keepsLimits, path }: DeploymentOptions & { path: Path },
): Deployment | { refusal: string } {
  const connection = findConnection(context, params, [...path, 'litellm_params'])
  const report = (verdict: Verdict, param: Param, message: string): void => {
    // What many entries share is reported where it is written, once.
    if (param.path[0] === 'model_list') context.report(verdict, param.path, message)
  }
  if ('refusal' in connection) {
    for (const param of params.values()) {
      const isModel = param.path.at(-1) === 'model'
      if (isModel)
        context.report('refused', param.path, `${connection.refusal}; this entry is left out`, false)
      else report('ignored', param, 'is part of an entry that is left out')
    }
    if (!params.has('model')) {
      const message = `${connection.refusal}; this entry is left out`
      context.report('refused', [...path, 'litellm_params', 'model'], message, false)
    }
    return { refusal: connection.refusal }
  }
  const { prefix, spec, baseUrl, key, options, model } = connection
  const use = { prefix, type: spec.type, baseUrl, key, options, path: [...path, 'litellm_params'] }
  const parts: Tree[] = [{ provider: providers.use(use), model }]
  for (const [name, param] of params) {
    if (connection.used.has(name))
      report(connectionVerdict(name, connection), param, connectionText(name, connection))
    else {
      const isTold = param.path[0] === 'model_list'
      parts.push(readParam(isTold ? context : silenced(context), name, { param, params, keepsLimits }))
    }
  }
  const weightOf = (name: string): number | undefined => toNumber(params.get(name)?.value)
  return {
    target: mergeTargets(parts),
    weights: { weight: weightOf('weight'), rpm: weightOf('rpm'), tpm: weightOf('tpm') },
  }
}

function connectionVerdict(name: string, { isTranslated }: Connection): Verdict {
  return isTranslated && (name === 'model' || name === 'api_base') ? 'mapped' : 'honoured'
}

function connectionText(name: string, { isTranslated, spec }: Connection): string {
  if (isTranslated && name === 'model') return `is called as a provider of type ${spec.type}`
  return `is ${name === 'model' ? 'a target' : 'of its provider'}`
}

/** What many entries share is reported where it is written, once. */
function silenced(context: ImportContext): ImportContext {
  return { ...context, report: () => {}, became: () => {} }
}

/** Reports the parameters that are written in one place for many entries. */
export function reportSharedParams(context: ImportContext, section: Tree, path: Path): void {
  for (const [name, value] of Object.entries(section)) {
    const param = { value, path: [...path, name] }
    if (connectionParams.includes(name)) context.report('honoured', param.path, 'is of its provider')
    else readParam(context, name, { param, params: new Map(), keepsLimits: false })
  }
}

/** The part of the target that a parameter makes. */
function readParam(
  context: ImportContext,
  name: string,
  { param, params, keepsLimits }: { param: Param; params: Map<string, Param>; keepsLimits: boolean },
): Tree {
  if (name === 'weight') {
    context.report('honoured', param.path, 'is the weight of the target')
    return {}
  }
  if (name === 'ssl_verify') {
    reportSslVerify(context, param.value, param.path)
    return {}
  }
  const limit = rateLimits[name]
  if (limit !== undefined && !keepsLimits) {
    context.report(
      'honoured',
      param.path,
      'is a weight among the entries of this name, and no limit, as in LiteLLM',
    )
    return {}
  }
  if (name === 'max_retries' && params.has('num_retries')) {
    context.report('ignored', param.path, 'num_retries beats it')
    return {}
  }
  const translation = translations[name] ?? limit
  if (translation !== undefined) return translate(context, translation, param)
  const price = priceVerdict(name)
  if (price !== undefined || paramRules.has(name) || name.startsWith('supports_')) {
    const [verdict, message] = price ?? ['ignored', 'nothing here asks for it']
    if (paramRules.has(name)) reportByRule(context, param.path, { value: param.value, rules: paramRules })
    else context.report(verdict, param.path, message)
    return {}
  }
  if (param.value === null) return {}
  context.became(param.path, 'models[].targets[].params')
  return { params: { [name]: param.value } }
}
