import type { IncomingHttpHeaders } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRunId, GatewayError, isMedia, withoutBoundary, type RunId } from '#libs/core'
import type { Dialect, RequestSummary } from '#libs/dialects'
import type { Target } from '#libs/routing'
import { parkedJobMs, type Acceptance, type AcceptResult, type RunSpec } from '#libs/runs'
import type { Caller } from './authenticate.ts'
import { checkModel, giveBackCallerPlace, holdsPlace, takeCallerPlace } from './caller-limits.ts'
import { toShare, type CallerShare } from './caller-limits.ts'
import { cancelRun } from './cancel-run.ts'
import { chooseTarget, configuredModel } from './choose-target.ts'
import type { ApiDeps } from './deps.ts'
import { readPrefer } from './prefer.ts'
import { inTime } from './in-time.ts'
import { readIdempotency, readLane, readOnDisconnect } from './request-wishes.ts'
import { readDeadline, readFallbacks, takeFallbacks } from './routing-wishes.ts'

export interface Submission {
  caller: Caller
  dialect: Dialect
  /** The path that was called. */
  endpoint: string
  /** What the dialect says in its URL. */
  path?: PathRequest | undefined
  /** The body as text and parsed; of a form, its bytes as base64 and its `Media`. */
  json: string
  body: unknown
  headers: IncomingHttpHeaders
  requestId: string
  /** Puts what the gateway keeps of the conversation before the body, as text. */
  toContinued?: (json: string) => Promise<string>
}

/** `asked` is the model that the client named, where the path says another. */
export interface PathRequest {
  model: string
  stream: boolean
  asked?: string
}

/** A request that is valid and knows where to go, but is not written down yet. */
export interface Prepared {
  spec: RunSpec
  json: string
  idempotency: Acceptance['idempotency']
  /** Undefined where the caller's key has no limits. */
  share: CallerShare | undefined
  /** Takes the headers that say what is left of them. */
  tell?: (headers: Record<string, string>) => void
}

/** Reads and routes a request. Throws what is wrong with it; nothing is stored or enqueued. */
export async function prepare(deps: ApiDeps, submission: Submission): Promise<Prepared> {
  const { caller, dialect, endpoint, headers, requestId, toContinued } = submission
  refuseWhenDraining(deps)
  deps.admission.check()
  const { body, json: given, fallbacks } = takeFallbacks(submission.body, submission.json)
  const summary = dialect.readRequest(body, submission.path)
  checkModel(deps, caller, submission.path?.asked ?? summary.model)
  const json = toContinued === undefined ? given : await toContinued(given)
  const readBody = (): unknown => (json === given ? body : JSON.parse(json))
  const { tenant } = caller
  const { target, routing } = await chooseTarget(deps, { summary, tenant, dialect, headers, readBody })
  const background = summary.background === true || readPrefer(headers.prefer).respondAsync
  const spec: RunSpec = {
    rid: createRunId(dialect.idPrefix),
    tenant,
    requestId,
    dialect: dialect.name,
    endpoint,
    model: summary.model,
    provider: target.provider,
    target: target.model,
    ...(routing !== undefined && { routing }),
    ...runningLimit(deps, caller, target),
    stream: summary.stream,
    ...readCostWish(deps, headers['x-millrace-include-cost'], summary),
    store: summary.store,
    metadata: summary.metadata,
    // Somebody waits for what was not handed in for later.
    lane:
      readLane(headers['x-millrace-priority']) ?? caller.lane ?? (background ? 'standard' : 'interactive'),
    ...(background && { background }),
    onDisconnect:
      readOnDisconnect(headers['x-millrace-on-disconnect']) ?? defaultOnDisconnect(deps, caller, summary),
    ...modelPolicy(deps, summary),
    ...readFallbacks(deps.router, headers, fallbacks),
    ...readDeadline(headers, deadlineOf(deps, summary)),
    ...(isMedia(body) && { bodyType: body.type }),
    ...(holdsPlace(caller) && { isLimited: true }),
    headers: pickHeaders(headers, dialect.forwardedHeaders),
    createdAtMs: Date.now(),
  }
  const sameAgain = (): string => (isMedia(body) ? withoutBoundary(body) : submission.json)
  for (const fallback of spec.fallbacks ?? []) checkModel(deps, caller, fallback)
  const idempotency = readIdempotency(headers['idempotency-key'], endpoint, sameAgain)
  return { spec, json, idempotency, share: toShare(caller, body) }
}

function runningLimit(deps: ApiDeps, { tenant }: Caller, { provider }: Target): Pick<RunSpec, 'maxRunning'> {
  const { maxRunning } = deps.shareOf(tenant, provider)
  return maxRunning === undefined ? {} : { maxRunning }
}

/** Throws `draining` once this process was told to stop. */
export function refuseWhenDraining({ isDraining }: Pick<ApiDeps, 'isDraining'>): void {
  if (!isDraining) return
  throw new GatewayError('draining', 'This process is about to stop. Send the request again.', {
    retryAfterMs: 1_000,
  })
}

/**
 * Writes the run down and asks for a worker; gives the id of the run that answers the request, which is an
 * earlier one when the idempotency key stands for it. Body and record are in Redis before the job is: a job that
 * is found always finds its run, and a run without a job is found by the sweeper.
 */
export async function accept(deps: ApiDeps, prepared: Prepared, homeChannel: string): Promise<RunId> {
  await takeCallerPlace(deps, prepared)
  let rid: RunId | undefined
  try {
    rid = await acceptPlaced(deps, prepared, homeChannel)
    return rid
  } finally {
    if (rid !== prepared.spec.rid) giveBackCallerPlace(deps, prepared)
  }
}

async function acceptPlaced(deps: ApiDeps, prepared: Prepared, homeChannel: string): Promise<RunId> {
  const { spec } = prepared
  const startedAtMs = performance.now()
  const result = await writeDown(deps, prepared, homeChannel)
  deps.metrics.overhead({ stage: 'accept' }).observe((performance.now() - startedAtMs) / 1000)
  switch (result.status) {
    case 'accepted':
      await enqueue(deps, spec, result)
      deps.metrics.overhead({ stage: 'accept_and_enqueue' }).observe((performance.now() - startedAtMs) / 1000)
      return spec.rid
    case 'attached':
      return result.rid
    case 'queue_full':
      throw new GatewayError(
        'queue_full',
        `${result.waiting} runs wait for provider ${spec.provider} already. Send the request again later.`,
        { retryAfterMs: 2_000 },
      )
    case 'tenant_queue_full':
      throw new GatewayError(
        'queue_full',
        `Your own ${result.waiting} runs wait for provider ${spec.provider} already, as many as tenant ` +
          `${spec.tenant} may have there. Send the request again when some of them have run.`,
        { retryAfterMs: 2_000 },
      )
    case 'key_reused':
      throw new GatewayError(
        'idempotency_key_reused',
        'This Idempotency-Key was sent with another body before.',
        {
          param: 'Idempotency-Key',
        },
      )
  }
}

async function writeDown(deps: ApiDeps, { spec, json, idempotency }: Prepared, homeChannel: string) {
  const provider = deps.config.providers.find(({ name }) => name === spec.provider)
  const { bufferSize = 0, concurrency = 0 } = provider ?? {}
  const share = deps.shareOf(spec.tenant, spec.provider)
  try {
    return await inTime(
      deps.store.accept({
        spec,
        body: json,
        homeChannel,
        bufferSize: roomFor(spec, bufferSize),
        fewWaiting: countFew(concurrency, share.maxWaiting),
        share,
        ...(idempotency !== undefined && { idempotency }),
      }),
    )
  } catch (error) {
    // Who comes again under the same key, or for the same line of a batch, is to find this very run.
    if (idempotency === undefined && spec.batch === undefined) void retract(deps, spec)
    throw error
  }
}

/**
 * Few wait, and it does not matter in which order, as long as all of them will have begun after an eighth of the time
 * that a run takes: so soon, at the mean, an eighth of the provider's places are free. Those few do not count towards
 * the tenant's limit, which is right to a hundredth all the same.
 */
function countFew(concurrency: number, maxWaiting: number): number {
  return Math.floor(Math.min(concurrency / 8, maxWaiting / 100))
}

/** Batches fill half of a provider's buffer: a client that waits for an answer must find room behind them. */
function roomFor({ batch }: RunSpec, bufferSize: number): number {
  return batch === undefined ? bufferSize : Math.ceil(bufferSize / 2)
}

const retractEveryMs = 1_000
const retractTries = 60

/**
 * Redis did not say whether it took the run, and the client is told that it did not: it will come again, and the
 * first run must not be paid for as well. A run is enqueued by the sweeper ten seconds after its acceptance at the
 * earliest.
 */
async function retract(deps: ApiDeps, spec: RunSpec): Promise<void> {
  for (let tries = 0; tries < retractTries; tries++) {
    await sleep(retractEveryMs)
    const isDone = await cancelRun(deps, spec).then(
      () => true,
      () => false,
    )
    if (isDone) return
  }
  deps.logger.warn({ rid: spec.rid }, 'a run whose acceptance is unknown could not be retracted')
}

/** The run is written down, so a job that could not be added is no failure: the sweeper adds it. */
async function enqueue(
  deps: ApiDeps,
  { rid, provider }: RunSpec,
  { priority, isParked }: Extract<AcceptResult, { status: 'accepted' }>,
): Promise<void> {
  const queue = deps.queues.get(provider)
  try {
    await inTime(queue?.add(rid, priority, isParked ? parkedJobMs : 0) ?? Promise.resolve())
  } catch (error) {
    deps.logger.warn({ err: error, rid }, 'a run could not be enqueued; the sweeper will do it')
  }
}

function modelPolicy(deps: ApiDeps, summary: RequestSummary): Pick<RunSpec, 'onWorkerLoss' | 'durability'> {
  const configured = configuredModel(deps, summary)
  if (configured === undefined) return {}
  const { onWorkerLoss, durability } = configured
  return { onWorkerLoss, durability }
}

function deadlineOf(deps: ApiDeps, summary: RequestSummary): number | undefined {
  return configuredModel(deps, summary)?.deadlineMs ?? deps.config.modelDefaults.deadlineMs
}

function defaultOnDisconnect(deps: ApiDeps, caller: Caller, summary: RequestSummary): 'continue' | 'cancel' {
  const configured = configuredModel(deps, summary)
  return caller.onDisconnect ?? configured?.onDisconnect ?? deps.config.server.onDisconnect
}

function pickHeaders(headers: IncomingHttpHeaders, names: readonly string[]): Record<string, string> {
  const picked: Record<string, string> = {}
  for (const name of names) {
    const value = headers[name]
    if (typeof value === 'string') picked[name] = value
  }
  return picked
}

/** Who asks for the cost asks for the usage that it is told in; the configuration only adds it to what is told anyway. */
function readCostWish(
  { config }: ApiDeps,
  value: string | string[] | undefined,
  summary: RequestSummary,
): Pick<RunSpec, 'includeUsage' | 'includeCost'> {
  if (value !== undefined && value !== 'true' && value !== 'false') {
    throw new GatewayError('invalid_request', 'x-millrace-include-cost is true or false.', {
      param: 'x-millrace-include-cost',
    })
  }
  const includeCost = value === undefined ? config.general.includeCost : value === 'true'
  return {
    includeUsage: summary.includeUsage || value === 'true',
    ...(includeCost && { includeCost }),
  }
}
