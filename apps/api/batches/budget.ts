/** So much of something may be in use at a time; who asks for more waits, in the order of asking. */
export interface Budget {
  /** Resolves when there is room. More than all of it counts as all of it. */
  take(amount?: number): Promise<void>
  give(amount?: number): void
}

export function createBudget(limit: number): Budget {
  const waiting: { amount: number; resolve: () => void }[] = []
  let used = 0
  const bounded = (amount: number): number => Math.min(amount, limit)

  function admit(): void {
    for (let [first] = waiting; first !== undefined && used + first.amount <= limit; [first] = waiting) {
      waiting.shift()
      used += first.amount
      first.resolve()
    }
  }

  return {
    take(amount = 1) {
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.push({ amount: bounded(amount), resolve })
      admit()
      return promise
    },
    give(amount = 1) {
      used -= bounded(amount)
      admit()
    },
  }
}
