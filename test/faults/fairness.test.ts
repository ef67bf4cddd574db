import { expect, test } from 'vitest'
import { measureWaits, percentile } from '../support/flood.ts'
import { useGateway } from '../support/gateway.ts'
import { scaled } from './scale.ts'

const others = Array.from({ length: 16 }, (_, index) => `sk-tenant-${index}`)
const gateway = useGateway({
  apis: 2,
  workers: 2,
  config: {
    keys: [
      ...others.map((key, index) => ({ key, tenant: `tenant-${index}` })),
      { key: 'sk-noisy', tenant: 'noisy' },
    ],
    providers: { shared: { concurrency: 8, buffer_size: 100_000 } },
  },
})

test(
  'beside a flood of twenty times their load, sixteen tenants wait at most twice as long as alone',
  async () => {
    // A run takes a second: eight a second are carried, and the others together ask for 6.4.
    const load = {
      url: gateway().url,
      model: 'shared/lorem?tokens=50&gap_ms=20',
      others,
      noisy: 'sk-noisy',
      perBurst: 2,
      roundMs: 5_000,
      rounds: scaled(4, 12),
    }

    const alone = await measureWaits({ ...load, times: 0 })
    const flooded = await measureWaits({ ...load, times: 20 })

    const [before, during] = [percentile(alone.waits, 0.95), percentile(flooded.waits, 0.95)]
    process.stdout.write(
      `p95 wait of ${flooded.waits.length}: ${before} ms alone, ${during} ms beside ${flooded.flooded}\n`,
    )
    expect(before).toBeGreaterThan(2_000)
    expect(during).toBeLessThanOrEqual(2 * before)
    expect(flooded.flooded).toBeGreaterThanOrEqual(20 * flooded.waits.length)
  },
  scaled(120_000, 300_000),
)
