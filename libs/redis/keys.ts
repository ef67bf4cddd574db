/**
 * Every key and channel that Millrace uses in Redis, beside those of BullMQ, which begin with `bullPrefix` or
 * `taskPrefix`.
 * Scripts that work on many runs at once build run keys from `runPrefix` and its neighbours themselves, so the
 * store must be one primary (with replicas or Sentinel), not a Redis Cluster.
 */
export const bullPrefix = 'mr:q'
/** The same for queues that are no provider's. */
export const taskPrefix = 'mr:task'

/** For scripts that build the keys of many runs: what `keys.run` puts first. */
export const runPrefix = 'mr:run:'
/** The same for `keys.log`. */
export const logPrefix = 'mr:log:'
/** The same for `keys.waiting`. */
export const waitingPrefix = 'mr:waiting:'
/** The same for `keys.callsOf`. */
export const callsPrefix = 'mr:calls:'
/** The same for `keys.queue`. */
export const queuePrefix = 'mr:queue:'

/**
 * The same for all that is counted against a limit. Behind it: `meter:NAME`, a hash of what a key, a target or a client
 * has used, in all and by second; `calls:NAME`, a sorted set of its leases by when they were last known to be alive;
 * `line:NAME:LANE`, a sorted set of the runs that wait for a place, by when their turn comes; `lease:ID`, what a
 * lease has taken.
 */
export const limitPrefix = 'mr:limit:'

/** What each key holds. All live on one primary and have no slots in common. */
export const keys = {
  /** Hash: the run record and the request's body. */
  run: (rid: string) => runPrefix + rid,
  /** Stream: the frames, under ids `<epoch>-<seq of the last frame>`. */
  log: (rid: string) => logPrefix + rid,
  /** Sorted set: accepted runs that no worker has, by the time from which on they wait for one. */
  waiting: (provider: string) => waitingPrefix + provider,
  /** Sorted set: those of all providers that have a deadline, by it. */
  deadlines: 'mr:deadlines',
  /**
   * What the names of a queue's other keys begin with. Scripts add the rest where only a run's record tells them its
   * tenant and lane.
   */
  queue: (provider: string) => queuePrefix + provider,
  /** Hash: the order in which the runs of a lane have their turn, as `order.lua` tells. */
  order: (provider: string, lane: string) => `${queuePrefix}${provider}:order:${lane}`,
  /** Sorted set: claimed runs of a tenant that may not have more than so many, by the time of their claim. */
  runningOf: (provider: string, tenant: string) => `${queuePrefix}${provider}:running:${tenant}`,
  /** Sorted set: runs of a tenant that wait for one of its running ones to end, by the priority of their jobs. */
  parked: (provider: string, tenant: string) => `${queuePrefix}${provider}:parked:${tenant}`,
  /** Set: tenants that have parked runs. */
  limited: (provider: string) => `${queuePrefix}${provider}:limited`,
  /** Sorted set: runs that overtook because they had waited too long, by when they did. */
  promoted: (provider: string) => `${queuePrefix}${provider}:promoted`,
  /** String: how many of its runs were begun in one span of time. */
  begun: (provider: string, span: number) => `mr:begun:${provider}:${span}`,
  /** Sorted set: claimed runs, by their worker's last sign of life. */
  running: 'mr:running',
  /** Hash: `last`, when any worker gave a sign of life, and `since` when that has been so without a pause. */
  alive: 'mr:alive',
  /** Sorted set: ended runs that the archive does not hold yet, by time of ending. */
  outbox: 'mr:outbox',
  /** Sorted set: dead letters, runs that no worker could carry, by the time of their burial; cut to the newest. */
  dead: 'mr:dead',
  /** Sorted set: a tenant's runs by the time in their ids, cut to the newest. */
  runsOf: (tenant: string) => `mr:runs:${tenant}`,
  /** Sorted set: those of its runs that the client asked to have listed (`store: true`). */
  storedOf: (tenant: string) => `mr:stored:${tenant}`,
  /** Hash: the metadata of those of them whose metadata was changed after they were accepted. */
  metadataOf: (tenant: string) => `mr:metadata:${tenant}`,
  /** String: who rewrites a tenant's archive at the moment. */
  erasing: (tenant: string) => `mr:erasing:${tenant}`,
  /** Hash: records of a tenant's files that were read lately; the object store has all of them. */
  filesOf: (tenant: string) => `mr:files:${tenant}`,
  /** Sorted set: `<tenant>/<id>` of files, by the time at which they expire. */
  expiring: 'mr:expiring-files',
  /** Hash: records of a tenant's batches that were read lately. */
  batchesOf: (tenant: string) => `mr:batches:${tenant}`,
  /** Sorted set: `<tenant>/<id>` of batches that have not ended, by the time until which somebody holds them. */
  openBatches: 'mr:open-batches',
  /** Hash: who holds a batch, how far it is, and since when it is to be cancelled. */
  batch: (id: string) => `mr:batch:${id}`,
  /** Sorted set: the runs of a lane that wait for a place under a limit, by when their turn comes. */
  line: (name: string, lane: number) => `${limitPrefix}line:${name}:${lane}`,
  /** String: what a lease has taken of which meters. */
  lease: (id: string) => `${limitPrefix}lease:${id}`,
  /** Hash: the providers' keys that rest or were refused, each with until when, and why. */
  resting: 'mr:resting',
  /** Hash: what an Idempotency-Key stands for. */
  idempotency: (tenant: string, digest: string) => `mr:idem:${tenant}:${digest}`,
  /** Hash: the circuit of a target, or of one of its keys, and the window of its calls. */
  circuit: (subject: string) => `mr:circuit:${subject}`,
  /** Hash: the circuits that are not closed, and the targets that rest, each with its state and until when. */
  circuits: 'mr:circuits',
  /** Hash: what all processes together do with each target, a line each. */
  board: 'mr:board',
  /** String: there while the board was swept within the last minute. */
  boardSwept: 'mr:board:swept',
  /** Sorted set: processes that tell the board, by the time of their last word. */
  callers: 'mr:callers',
  /** Hash: the calls to each target that run in one process, as the board counts them. */
  callsOf: (process: string) => callsPrefix + process,
  /** Hash: the places whose prompt caches hold the prefix or session of a digest, and how often each was used. */
  affinity: (digest: string) => `mr:affinity:${digest}`,
  /** String: what those digests are salted with. */
  affinitySalt: 'mr:affinity-salt',
  /** String: a copy of a tenant's webhook endpoints, whose original is in the object store. */
  webhookEndpoints: (tenant: string) => `mr:webhook:endpoints:${tenant}`,
  /** String: who changes a tenant's webhook endpoints at the moment. */
  webhookChange: (tenant: string) => `mr:webhook:change:${tenant}`,
  /** String: what is to be told to one endpoint, and how that went. */
  webhookDelivery: (id: string) => `mr:webhook:delivery:${id}`,
  /** Sorted set: an endpoint's deliveries by the time they were begun, cut to the newest. */
  webhookDeliveries: (endpointId: string) => `mr:webhook:deliveries:${endpointId}`,
  /** Sorted set: deliveries of all endpoints that are not done with, by the time of their next attempt. */
  webhooksPending: 'mr:webhook:pending',
  /** String: since when an endpoint has taken nothing. */
  webhookFailing: (endpointId: string) => `mr:webhook:failing:${endpointId}`,
} as const

/** What each channel says. A message may be lost: nothing rests on one alone. */
export const channels = {
  /** What a run's worker says, for whoever joins. */
  run: (rid: string) => `mr:ch:run:${rid}`,
  /** The same for the API process that accepted the run: it subscribes once, at start. */
  home: (process: string) => `mr:ch:home:${process}`,
  /** Run ids whose workers shall stop. */
  cancel: 'mr:ch:cancel',
  /** Circuits that have just opened or closed: `<subject>\n<state> <ms it rests> <openings>`. */
  circuits: 'mr:ch:circuits',
  /** Providers' keys that rest from now on, or do no more. */
  resting: 'mr:ch:resting',
} as const
