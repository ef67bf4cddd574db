import type { ConfigurableProvider } from '../../config.ts'
import type { Tree } from '../../environment.ts'
import type { Path } from '../../problems.ts'
import type { Param } from './deployments.ts'
import { compact } from '../import-context.ts'
import type { ImportContext } from '../import-context.ts'
import { findUpstream, readModelName } from './provider-names.ts'
import type { Upstream } from './provider-names.ts'

/** How an entry of `model_list` is called. */
export interface Connection {
  prefix: string
  spec: ConfigurableProvider
  baseUrl: string | undefined
  /** A key or a reference to one; undefined leaves it to the environment. */
  key: string | undefined
  options: Tree | undefined
  /** The provider's name for the model. */
  model: string
  /** The parameters that all this is made of. */
  used: ReadonlySet<string>
  /** Whether another API of the vendor is called than LiteLLM calls. */
  isTranslated: boolean
}

/** The words of LiteLLM for what our providers have as options. */
const optionNames: Readonly<Record<string, string>> = {
  api_version: 'api_version',
  aws_region_name: 'region',
  aws_access_key_id: 'access_key_id',
  aws_secret_access_key: 'secret_access_key',
  aws_session_token: 'session_token',
  vertex_project: 'project',
  vertex_location: 'location',
}

/** What says where a call goes, and with which key. */
export const connectionParams = [
  'model',
  'custom_llm_provider',
  'api_key',
  'api_base',
  'base_url',
  'litellm_credential_name',
]

/** Finds the provider of an entry, or says why there is none. */
export function findConnection(
  context: ImportContext,
  params: ReadonlyMap<string, Param>,
  path: Path,
): Connection | { refusal: string } {
  const textOf = (name: string): string | undefined => {
    const value = params.get(name)?.value
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const whole = textOf('model')
  if (whole === undefined) return { refusal: 'model is required' }
  const ownAddress = textOf('api_base') ?? textOf('base_url')
  const named = readModelName(whole, { provider: textOf('custom_llm_provider'), baseUrl: ownAddress })
  if (named === undefined) {
    return { refusal: 'nothing says which provider this is; write openai/… or another provider in front' }
  }
  const { prefix, model } = named
  if (model === '') return { refusal: `no model follows ${prefix}/` }
  const address = ownAddress ?? context.read(variableOf(prefix, 'BASE'))
  const upstream = findUpstream(prefix, address, context.providerSpecs)
  if (upstream === undefined) return { refusal: `provider ${prefix} is not supported by this release` }
  const { spec } = upstream
  if (
    upstream.baseUrl === undefined &&
    spec.defaultBaseUrl === undefined &&
    spec.environment?.baseUrl === undefined
  ) {
    return { refusal: `a provider of type ${spec.type} needs an api_base` }
  }
  const options = Object.entries(optionNames).flatMap(([param, option]) => {
    const found = params.get(param)
    const isKnown = spec.options !== undefined && Object.hasOwn(spec.options, option)
    const value = isKnown && found !== undefined ? context.toNative(found.path) : undefined
    return value === undefined ? [] : [{ param, option, value }]
  })
  return {
    prefix,
    spec,
    baseUrl: nativeAddress(context, params, { prefix, ...upstream }),
    key: findKey(context, params, { prefix, spec, path: [...path, 'api_key'] }),
    options: compact(Object.fromEntries(options.map(({ option, value }) => [option, value]))),
    model,
    used: new Set([...connectionParams, ...options.map(({ param }) => param)]),
    isTranslated: prefix.startsWith('ollama'),
  }
}

/** A reference stays one where nothing had to be changed about the address. */
function nativeAddress(
  context: ImportContext,
  params: ReadonlyMap<string, Param>,
  { prefix, baseUrl, spec }: Upstream & { prefix: string },
): string | undefined {
  const param = params.get('api_base') ?? params.get('base_url')
  if (param?.value !== undefined && param.value === baseUrl) return context.toNative(param.path)
  const theirs = variableOf(prefix, 'BASE')
  if (baseUrl !== undefined) return context.read(theirs) === baseUrl ? context.refer(theirs) : baseUrl
  const variable = spec.environment?.baseUrl
  return variable === undefined || context.read(variable) === undefined ? undefined : context.refer(variable)
}

/** How LiteLLM calls the variables of most providers. */
function variableOf(prefix: string, what: 'KEY' | 'BASE'): string {
  return `${prefix.toUpperCase().replaceAll('-', '_')}_API_${what}`
}

/** LiteLLM takes the vendor's own variable for an entry without a key, whatever the address. */
function findKey(
  context: ImportContext,
  params: ReadonlyMap<string, Param>,
  { prefix, spec, path }: { prefix: string; spec: ConfigurableProvider; path: Path },
): string | undefined {
  const param = params.get('api_key')
  const key = param && context.toNative(param.path)
  if (key !== undefined) return key
  if (param === undefined && !spec.needsKey && prefix !== 'openai') return undefined
  const theirs = variableOf(prefix, 'KEY')
  const variable = context.read(theirs) === undefined ? (spec.environment?.key ?? theirs) : theirs
  const unset = context.read(variable) === undefined ? variable : undefined
  if (param === undefined) {
    const message = `no api_key: provider default env ${variable} is used`
    const note = unset === undefined ? '' : ', which is not set, so calls go without a key'
    context.findings.push({ verdict: 'mapped', path, message: message + note, stopsStart: false, unset })
  }
  return context.refer(variable)
}
