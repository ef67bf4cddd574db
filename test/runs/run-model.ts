import { transitions, type RunEvent, type RunState } from '#libs/runs'

/** What a run should be after all that was done to it, by the table and by what each script adds to it. */
export interface RunModel {
  state: RunState | 'missing'
  epoch: number
  /** The number of the last frame in its log. */
  last: number
  /** Whose workers may claim it. */
  provider: string
  /** Who claimed it last, and to do what. */
  holder: { token: string; status: 'run' | 'salvage' } | undefined
  isRetried: boolean
  isCancelled: boolean
  isDeleted: boolean
  /** Whether its holder has shown no sign of life for long. */
  isSilent: boolean
}

/** Who writes, and where. */
export interface Position {
  epoch: number
  seq: number
  count: number
}

export const unborn: Readonly<RunModel> = {
  state: 'missing',
  epoch: 0,
  last: -1,
  provider: 'p',
  holder: undefined,
  isRetried: false,
  isCancelled: false,
  isDeleted: false,
  isSilent: false,
}

/** Takes a step of the table, and gives the reply. */
function step(model: RunModel, event: RunEvent): string {
  if (model.state === 'missing') return 'unknown'
  const { reply, to } = transitions[model.state][event]
  model.state = to === 'forgotten' ? 'missing' : to
  return reply
}

/** The refusal of a writer that is not the run's own, or whose run is not there. */
function refuse({ state, epoch }: RunModel, writer: Position): 'missing' | 'fenced' | undefined {
  if (state === 'missing' || (state === 'accepted' && writer.epoch > epoch)) return 'missing'
  return writer.epoch === epoch ? undefined : 'fenced'
}

function leavesHole({ state, last }: RunModel, { seq, count }: Position): boolean {
  return (state === 'dispatched' || state === 'streaming') && seq - Math.max(count, 1) > last
}

/** What each script should reply; the model takes its effect. */
export const expectOf = {
  accept(model: RunModel): string {
    if (model.state === 'missing') Object.assign(model, unborn, { state: 'accepted' })
    return 'accepted'
  },

  /** The epoch is given by Redis, and told to the model after `run` and `salvage` that are not repeated. */
  claim(
    model: RunModel,
    { token, provider }: { token: string; provider: string },
  ): { status: string; isRepeated: boolean } {
    const { holder, state } = model
    if (model.provider !== provider && state !== 'missing' && !isOver(state))
      return { status: 'moved', isRepeated: false }
    const isOwn = holder?.token === token
    if (isOwn && (holder.status === 'salvage' || state === 'dispatched') && isClaimed(state))
      return { status: holder.status, isRepeated: true }
    const status = step(model, model.isSilent ? 'reclaim' : 'claim')
    if (status === 'run' || status === 'salvage') {
      model.holder = { token, status }
      model.isSilent = false
    }
    return { status, isRepeated: false }
  },

  append(model: RunModel, writer: Position): string {
    const refusal = refuse(model, writer)
    if (refusal !== undefined) return refusal
    const isNew = isClaimed(model.state) && writer.seq > model.last
    if (isNew && leavesHole(model, writer)) return 'gap'
    if (!isNew && isClaimed(model.state)) return model.isCancelled ? 'cancel' : 'appended'
    const reply = step(model, 'append')
    if (reply !== 'appended') return reply
    model.last = writer.seq
    model.isSilent = false
    return model.isCancelled ? 'cancel' : reply
  },

  end(model: RunModel, writer: Position): string {
    const refusal = refuse(model, writer)
    if (refusal !== undefined) return refusal
    return leavesHole(model, writer) ? 'gap' : step(model, 'end')
  },

  retry(model: RunModel, epoch: number): string {
    if (model.epoch !== epoch) return 'spent'
    if (model.state === 'accepted' && model.isRetried) return 'retried'
    if (model.state !== 'dispatched' || model.isRetried || model.isCancelled) return 'spent'
    model.isRetried = true
    model.holder = undefined
    return step(model, 'retry')
  },

  requeue(model: RunModel, { epoch, provider }: { epoch: number; provider: string }): string {
    const { state } = model
    if (state === 'missing' || (state === 'accepted' && epoch > model.epoch)) return 'missing'
    if (epoch !== model.epoch) return 'fenced'
    if (state === 'dispatched') {
      if (model.isCancelled) return 'cancel'
      Object.assign(model, { provider, holder: undefined })
    }
    return step(model, 'requeue')
  },

  restore(model: RunModel, { epoch, provider }: { epoch: number; provider: string }): string {
    const isLost = model.state === 'missing' || (model.state === 'accepted' && epoch > model.epoch)
    if (!isLost) return 'there'
    if (model.state === 'missing') Object.assign(model, unborn)
    Object.assign(model, { state: 'dispatched', epoch, provider, holder: undefined, isSilent: false })
    return 'restored'
  },

  cancel(model: RunModel): string {
    if (model.isDeleted) return 'unknown'
    const reply = step(model, 'cancel')
    if (reply === 'requested' || reply === 'cancelled') model.isCancelled = true
    // Who cancels a waiting run writes its end, under an epoch of its own.
    if (reply === 'cancelled') model.epoch += 1
    return reply
  },

  delete(model: RunModel): string {
    if (model.isDeleted) return 'unknown'
    const reply = step(model, 'delete')
    if (reply === 'marked') model.isDeleted = true
    return reply
  },

  settle(model: RunModel): string {
    if (model.isDeleted) return 'deleted'
    if (model.state !== 'missing') step(model, 'settle')
    return 'settled'
  },
}

export function isClaimed(state: RunModel['state']): boolean {
  return state === 'dispatched' || state === 'streaming'
}

export function isOver(state: RunModel['state']): boolean {
  return state === 'ended' || state === 'persisted'
}
