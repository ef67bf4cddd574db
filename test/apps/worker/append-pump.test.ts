import { expect, onTestFinished, test } from 'vitest'
import type { LogEntry, StreamLog } from '#libs/streams'
import { createAppendPump } from '../../../apps/worker/append-pump.ts'

test('frames that come all at once are appended in entries that any connection can take', async () => {
  const entries: LogEntry[] = []
  const log: StreamLog = {
    async append(_, entry) {
      entries.push(entry)
      return 'appended'
    },
    read: async () => undefined,
  }
  const pump = createAppendPump(log)
  onTestFinished(() => pump.close())
  const writer = pump.open({
    rid: 'run_1',
    epoch: 1,
    homeChannel: '',
    opening: () => '{}',
    restore: async () => 'there',
    onInterrupt: () => undefined,
    onError: () => undefined,
  })
  const frames = Array.from({ length: 5_000 }, (_, index) => `{"index":${index},"text":"${'x'.repeat(100)}"}`)
  for (const frame of frames) writer.write(frame)
  const last = writer.finish()
  const told = [...entries, last]
  expect(told.flatMap(({ payload }) => payload.split('\n'))).toEqual(frames)
  expect(told.length).toBeLessThan(20)
  expect(Math.max(...told.map(({ payload }) => payload.length))).toBeLessThan(65 * 1024)
  expect(told.map(({ seq, count }) => seq - count + 1)).toEqual([
    0,
    ...told.slice(0, -1).map(({ seq }) => seq + 1),
  ])
})
