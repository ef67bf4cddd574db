import { setTimeout as sleep } from 'node:timers/promises'

const longestPauseMs = 2_000

/**
 * Acts until it works. For writes to Redis that must not be given up and are harmless when repeated: the client
 * library sends most of what an outage interrupted again, but rejects what was half answered.
 */
export async function insist<Result>(
  act: () => Promise<Result>,
  onError: (error: unknown) => void,
): Promise<Result> {
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      return await act()
    } catch (error) {
      onError(error)
      await sleep(pauseMs)
    }
  }
}
