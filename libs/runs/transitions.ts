import type { RunState } from './run.ts'

/**
 * What can happen to a run, each one a script:
 *
 * - `accept`: its request is written down, or sent again.
 * - `claim`: a worker asks for it while whoever has it shows signs of life; `reclaim`: after those have stopped.
 * - `append`, `end`: its writer sends frames, or the last ones.
 * - `requeue`: its writer gives it back, for another provider or for later.
 * - `retry`: who salvaged it wants it called once more, as its model's policy allows.
 * - `restore`: its writer believes that Redis has lost it.
 * - `cancel`, `delete`: its tenant wants it stopped, or gone.
 * - `settle`: the archive holds it.
 */
export type RunEvent =
  | 'accept'
  | 'claim'
  | 'reclaim'
  | 'append'
  | 'end'
  | 'cancel'
  | 'requeue'
  | 'retry'
  | 'restore'
  | 'settle'
  | 'delete'

/** What an event's script replies in a state, and the state that it leaves; `forgotten` is no record at all. */
export interface Transition {
  reply: string
  to: RunState | 'forgotten'
}

/**
 * The whole of a run's life. It is accepted, and waits. A claim gives it to a worker, which may call the provider from
 * then on: this is the only step that lets anybody call. Its first append makes it stream. The end is final, in the
 * log and in the outbox at once; after it, nothing but its place changes: the archive has it, and Redis forgets it.
 *
 * Its holder may find that its calls brought nothing, and that another provider or another time would do better. Then it
 * gives the run back before the first frame, with all that it has tried: the run waits again, perhaps among those of
 * another provider, and is that one's alone. A claim for any other is told that it has `moved`.
 *
 * A holder that dies leaves the run where it is. Who reclaims it gets a new epoch and, never the right to call, the
 * duty to end it; only the policy `retry_once` leads back to `accepted`, once and before the first frame.
 *
 * The table supposes that the writer's epoch is the run's own. Whoever writes under another is `fenced` in every
 * state, and changes nothing. A run that is not there is `missing` to its writer and `unknown` to everybody else;
 * there, only `accept` and `restore` make one. `restore` also brings a run back that Redis has only partly lost: one
 * that it believes to be waiting while its writer holds a later epoch.
 *
 * What a reply adds to the state is told by its script: that a claim which is sent again gets the same answer, that one
 * beyond its tenant's limit is `parked`, that a run which was retried or cancelled is not retried, that an append which
 * would leave a hole is refused.
 */
export const transitions: Readonly<Record<RunState, Readonly<Record<RunEvent, Transition>>>> = {
  accepted: {
    accept: { reply: 'accepted', to: 'accepted' },
    claim: { reply: 'run', to: 'dispatched' },
    reclaim: { reply: 'run', to: 'dispatched' },
    append: { reply: 'fenced', to: 'accepted' },
    end: { reply: 'fenced', to: 'accepted' },
    cancel: { reply: 'cancelled', to: 'ended' },
    requeue: { reply: 'requeued', to: 'accepted' },
    retry: { reply: 'spent', to: 'accepted' },
    restore: { reply: 'there', to: 'accepted' },
    settle: { reply: 'settled', to: 'accepted' },
    delete: { reply: 'marked', to: 'accepted' },
  },
  dispatched: {
    accept: { reply: 'accepted', to: 'dispatched' },
    claim: { reply: 'held', to: 'dispatched' },
    reclaim: { reply: 'salvage', to: 'dispatched' },
    append: { reply: 'appended', to: 'streaming' },
    end: { reply: 'ended', to: 'ended' },
    cancel: { reply: 'requested', to: 'dispatched' },
    requeue: { reply: 'requeued', to: 'accepted' },
    retry: { reply: 'retried', to: 'accepted' },
    restore: { reply: 'there', to: 'dispatched' },
    settle: { reply: 'settled', to: 'dispatched' },
    delete: { reply: 'marked', to: 'dispatched' },
  },
  streaming: {
    accept: { reply: 'accepted', to: 'streaming' },
    claim: { reply: 'held', to: 'streaming' },
    reclaim: { reply: 'salvage', to: 'streaming' },
    append: { reply: 'appended', to: 'streaming' },
    end: { reply: 'ended', to: 'ended' },
    cancel: { reply: 'requested', to: 'streaming' },
    requeue: { reply: 'fenced', to: 'streaming' },
    retry: { reply: 'spent', to: 'streaming' },
    restore: { reply: 'there', to: 'streaming' },
    settle: { reply: 'settled', to: 'streaming' },
    delete: { reply: 'marked', to: 'streaming' },
  },
  ended: {
    accept: { reply: 'accepted', to: 'ended' },
    claim: { reply: 'ended', to: 'ended' },
    reclaim: { reply: 'ended', to: 'ended' },
    append: { reply: 'fenced', to: 'ended' },
    end: { reply: 'ended', to: 'ended' },
    cancel: { reply: 'ended', to: 'ended' },
    requeue: { reply: 'fenced', to: 'ended' },
    retry: { reply: 'spent', to: 'ended' },
    restore: { reply: 'there', to: 'ended' },
    settle: { reply: 'settled', to: 'persisted' },
    delete: { reply: 'marked', to: 'ended' },
  },
  persisted: {
    accept: { reply: 'accepted', to: 'persisted' },
    claim: { reply: 'ended', to: 'persisted' },
    reclaim: { reply: 'ended', to: 'persisted' },
    append: { reply: 'fenced', to: 'persisted' },
    end: { reply: 'ended', to: 'persisted' },
    cancel: { reply: 'ended', to: 'persisted' },
    requeue: { reply: 'fenced', to: 'persisted' },
    retry: { reply: 'spent', to: 'persisted' },
    restore: { reply: 'there', to: 'persisted' },
    settle: { reply: 'settled', to: 'persisted' },
    delete: { reply: 'forgotten', to: 'forgotten' },
  },
}
