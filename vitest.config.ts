import { configDefaults, defineConfig } from 'vitest/config'

/** Fault tests that take long or need the machine for themselves: `npm run test:faults` has them. */
const onDemand = [
  'fairness',
  'key-limits',
  'large-batches',
  'many-sockets',
  'rolling',
  'slow-readers',
  'slow-redis',
].map((name) => `test/faults/${name}.test.ts`)
const isFaultRun = process.env['MILLRACE_FAULTS_SEED'] !== undefined

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...(isFaultRun ? [] : onDemand)],
    globalSetup: ['test/support/global-setup.ts'],
    // Each file in a process of its own, as the tests start servers and send signals; two, as CI has two cores.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
})
