import { setTimeout as sleep } from 'node:timers/promises'
import { providerName, type Fleet } from './fleet.ts'
import { readStream, type StreamPlan, type StreamResult } from './stream-client.ts'

export interface ManyStreams extends Partial<Pick<StreamPlan, 'leaveAfter' | 'onFrame' | 'urls'>> {
  streams: number
  /** The simulator's own name of the model, with its knobs. */
  model: string
  deadlineMs: number
  /** Over which time they begin. */
  rampMs?: number
  /** Begins each prompt; different in each test of a fleet. */
  name?: string
}

/** Reads streams with different prompts at the same time; resolves when all have ended or missed their deadline. */
export function readMany(fleet: Pick<Fleet, 'urls'>, options: ManyStreams): Promise<StreamResult[]> {
  const { streams, rampMs = 0, name = 'stream', model, urls = fleet.urls, ...plan } = options
  const read = async (index: number): Promise<StreamResult> => {
    await sleep((rampMs * index) / streams)
    const prompt = `${name} ${index} ${'x'.repeat(index % 2)}`
    return readStream({ urls, ...plan, model: `${providerName}/${model}`, prompt })
  }
  return Promise.all(Array.from({ length: streams }, (_, index) => read(index)))
}
