import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../support/gateway.ts'
import { providerName, startFleet, type Fleet } from './fleet.ts'
import { createRandom } from './random.ts'
import { scaled, seed } from './scale.ts'
import { readSocket } from './socket-client.ts'
import { clean, judge } from './verdict.ts'

let fleet: Fleet
beforeAll(async () => {
  fleet = await startFleet({ apis: 2, workers: 2 })
})
afterAll(() => fleet.close())

test('an API killed under WebSockets loses no event of clients that go on at another, or come and go', async () => {
  const model = 'lorem?tokens=60&gap_ms=50'
  const random = createRandom(seed)
  const clients = scaled(25, 100)
  let events = 0
  const reading = Promise.all(
    Array.from({ length: clients }, (_, index) =>
      readSocket({
        urls: fleet.urls,
        model: `${providerName}/${model}`,
        prompts: ['a', 'b', 'c', 'd'].map((name) => `socket ${index} ${name}`),
        deadlineMs: 40_000,
        random,
        onEvent: () => (events += 1),
        // Every other one stays where it is until it is cut off.
        ...(index % 2 === 0 && { leaveWithinMs: 1_500 }),
      }),
    ),
  )
  await eventually('they are in the middle of it', () => events > 4 * clients * 10, 20_000)

  await fleet.apis[0]?.kill()
  const results = (await reading).flat()

  const { verdict, completed, resumes } = await judge(fleet, results, { model })
  expect({ verdict, completed }).toEqual({ verdict: clean, completed: 4 * clients })
  expect(resumes).toBeGreaterThan(clients)
}, 60_000)
