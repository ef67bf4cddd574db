import { isTree, toList } from '../../environment.ts'
import type { Tree } from '../../environment.ts'
import { insteadOf } from '../../honoured.ts'
import type { Path } from '../../problems.ts'
import { compact, toMs, toNumber } from '../import-context.ts'
import type { ImportContext } from '../import-context.ts'
import type { Handlers } from './setting-rules.ts'

/** What `router_settings` and, where it says nothing, `litellm_settings` say of routing and of failures. */
export interface Reliability {
  /** A native word. */
  strategy: string
  keepsLimits: boolean
  /** What every model has in common. */
  defaults: Tree
  /** For every provider. */
  timeouts: Tree | undefined
  /** What a model of this name has for itself. */
  ofModel(name: string): Tree
}

const strategies: Readonly<Record<string, string>> = {
  'simple-shuffle': 'load-balance',
  'least-busy': 'least-busy',
  'usage-based-routing': 'usage-based',
  'usage-based-routing-v2': 'usage-based',
  'latency-based-routing': 'lowest-latency',
  'cost-based-routing': 'lowest-cost',
}

const errorClasses: Readonly<Record<string, string>> = {
  BadRequest: 'bad_request',
  Authentication: 'authentication',
  Timeout: 'timeout',
  RateLimit: 'rate_limit',
  ContentPolicyViolation: 'content_policy',
  InternalServer: 'server_error',
  ServiceUnavailable: 'server_error',
  Default: 'default',
}

/** The keys that mean the same in both sections. */
const shared = [
  'num_retries',
  'fallbacks',
  'default_fallbacks',
  'context_window_fallbacks',
  'content_policy_fallbacks',
  'allowed_fails',
  'cooldown_time',
]

/** Reads both sections at once, as each key counts where it comes first. */
export function readReliability({ tree }: ImportContext): Reliability {
  const router = isTree(tree.router_settings) ? tree.router_settings : {}
  const litellm = isTree(tree.litellm_settings) ? tree.litellm_settings : {}
  const of = (key: string): unknown => router[key] ?? (shared.includes(key) ? litellm[key] : undefined)
  const word = router.routing_strategy
  const strategy = (typeof word === 'string' ? strategies[word] : undefined) ?? 'load-balance'
  const totalMs = toMs(router.timeout ?? litellm.request_timeout)
  const firstByteMs = toMs(router.stream_timeout) ?? totalMs
  const lists = {
    default: of('fallbacks'),
    context_window: of('context_window_fallbacks'),
    content_policy: of('content_policy_fallbacks'),
  }
  const perModel = isTree(router.model_group_retry_policy) ? router.model_group_retry_policy : {}
  return {
    strategy,
    keepsLimits: strategy === 'usage-based' || enforcesLimits(router),
    timeouts: compact({ first_byte_ms: firstByteMs, idle_ms: totalMs, total_ms: totalMs }),
    defaults: toDefaults(router, of),
    ofModel(name) {
      const fallbacks = Object.fromEntries(
        Object.entries(lists).map(([kind, list]) => [kind, fallbacksFor(list, name)]),
      )
      const all = fallbacks.default ?? fallbacksFor(lists.default, '*')
      // A list that exists and says nothing of the model leaves it without, and not to the general one.
      for (const kind of ['context_window', 'content_policy'] as const) {
        const exists = (toList(lists[kind])?.length ?? 0) > 0
        const hasGeneral = all !== undefined || toList(of('default_fallbacks')) !== undefined
        if (exists && hasGeneral) fallbacks[kind] ??= []
      }
      return (
        compact({
          retries: toPolicy(perModel[name], 'Retries'),
          fallbacks: compact({ ...fallbacks, default: all }),
        }) ?? {}
      )
    },
  }
}

function toDefaults(router: Tree, of: (key: string) => unknown): Tree {
  const retries = { default: toNumber(of('num_retries')), ...toPolicy(router.retry_policy, 'Retries') }
  const {
    bad_request: _,
    content_policy: __,
    ...failurePolicy
  } = toPolicy(router.allowed_fails_policy, 'AllowedFails') ?? {}
  const afterFailures = { default: toNumber(of('allowed_fails')), ...failurePolicy }
  const durationMs = router.disable_cooldowns === true ? 0 : toMs(of('cooldown_time'), 0)
  const fallbacks = toList(of('default_fallbacks'))
  return (
    compact({
      retries: compact(retries),
      retry_delay_ms: toMs(router.retry_after, 0),
      cooldown: compact({ after_failures: compact(afterFailures), duration_ms: durationMs }),
      fallbacks: fallbacks && { default: fallbacks },
    }) ?? {}
  )
}

function enforcesLimits(router: Tree): boolean {
  return toList(router.optional_pre_call_checks)?.includes('enforce_model_rate_limits') ?? false
}

/** The list for a name in a list of one-key maps. */
function fallbacksFor(list: unknown, name: string): readonly unknown[] | undefined {
  const found = (toList(list) ?? []).find((item) => isTree(item) && Object.hasOwn(item, name))
  return isTree(found) ? toList(found[name]) : undefined
}

function toPolicy(policy: unknown, suffix: string): Tree | undefined {
  if (!isTree(policy)) return undefined
  const entries = Object.entries(policy).map(([key, value]) => {
    return [errorClasses[key.replace(new RegExp(`Error${suffix}$|${suffix}$`), '')], toNumber(value)] as const
  })
  return compact(Object.fromEntries(entries.filter(([name]) => name !== undefined)))
}

/** Reports the keys that `readReliability` has read. */
export function reliabilityHandlers(context: ImportContext, section: 'router' | 'litellm'): Handlers {
  const { became, report, tree } = context
  const router = isTree(tree.router_settings) ? tree.router_settings : {}
  const become =
    (native: string): Handlers[string] =>
    (_, path) => {
      const key = String(path.at(-1))
      if (section === 'litellm' && (router[key] ?? null) !== null) {
        report('ignored', path, 'router_settings has it too, and wins')
      } else became(path, native)
    }
  const both: Handlers = {
    num_retries: become('model_defaults.retries'),
    fallbacks: become('models[].fallbacks'),
    context_window_fallbacks: become('models[].fallbacks'),
    content_policy_fallbacks: become('models[].fallbacks'),
    default_fallbacks: become('model_defaults.fallbacks'),
    allowed_fails: become('model_defaults.cooldown'),
    cooldown_time: become('model_defaults.cooldown'),
  }
  if (section === 'litellm') {
    return {
      ...both,
      request_timeout: (_, path) => {
        const isBeaten = (router.timeout ?? null) !== null
        if (isBeaten) report('ignored', path, 'timeout of router_settings beats it')
        else report('mapped', path, 'becomes timeouts of every provider')
      },
    }
  }
  return {
    ...both,
    timeout: (_, path) => report('mapped', path, 'becomes timeouts of every provider'),
    stream_timeout: (_, path) => report('mapped', path, 'becomes timeouts.first_byte_ms of every provider'),
    retry_after: become('model_defaults.retry_delay_ms'),
    retry_policy: become('model_defaults.retries'),
    model_group_retry_policy: become('models[].retries'),
    allowed_fails_policy: (value, path) => {
      const { bad_request: badRequest, content_policy: contentPolicy } = toPolicy(value, 'AllowedFails') ?? {}
      if ((badRequest ?? contentPolicy) === undefined) become('model_defaults.cooldown')?.(value, path)
      else {
        report(
          'mapped',
          path,
          "becomes model_defaults.cooldown, but for a client's own mistakes, which are no failure of a target",
        )
      }
    },
    disable_cooldowns: (value, path) => {
      if (value === true) become('model_defaults.cooldown')?.(value, path)
      else report('honoured', path, 'is off')
    },
    routing_strategy: (value, path) => reportStrategy(context, value, path),
  }
}

function reportStrategy(context: ImportContext, value: unknown, path: Path) {
  const word = typeof value === 'string' ? value : ''
  const strategy = strategies[word]
  if (word === 'provider-budget-routing') {
    context.report('refused', path, 'there are no budgets yet, and nothing else would stop the spending')
  } else if (strategy === undefined) {
    const known = Object.keys(strategies).join(', ')
    context.report(
      'ignored',
      path,
      `is no strategy that is known here (${known}): targets are chosen by weight`,
    )
  } else if (insteadOf('models.routing', strategy) === undefined) {
    context.report('honoured', path, `becomes routing: ${strategy}`)
  } else context.became(path, 'models[].routing', { value: strategy })
}
