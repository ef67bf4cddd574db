/**
 * Bounds how many deliveries to one endpoint this process makes at once, so that a receiver which takes long holds up
 * its own and nobody else's.
 */
export interface Turns {
  /** Takes a place, which `leave` gives back; or gives the milliseconds after which one should be free. */
  enter(endpointId: string): number | undefined
  /** `durationMs`: how long the place was taken. */
  leave(endpointId: string, durationMs: number): void
}

interface Line {
  taken: number
  /** How long a place is taken, on average. */
  averageMs: number
  /** When the next one who is sent away should come again. */
  appointmentMs: number
}

const firstGuessMs = 100

/** Who finds all places taken gets an appointment behind those before: nobody comes more often than needed. */
export function createTurns(places: number): Turns {
  const lines = new Map<string, Line>()
  return {
    enter(endpointId) {
      const line = lines.get(endpointId) ?? { taken: 0, averageMs: firstGuessMs, appointmentMs: 0 }
      lines.set(endpointId, line)
      if (line.taken < places) {
        line.taken += 1
        return undefined
      }
      const nowMs = performance.now()
      line.appointmentMs = Math.max(line.appointmentMs, nowMs) + Math.max(1, line.averageMs / places)
      return Math.ceil(line.appointmentMs - nowMs)
    },
    leave(endpointId, durationMs) {
      const line = lines.get(endpointId)
      if (line === undefined) return
      line.taken -= 1
      line.averageMs = (line.averageMs * 3 + durationMs) / 4
      if (line.taken === 0 && line.appointmentMs < performance.now()) lines.delete(endpointId)
    },
  }
}
