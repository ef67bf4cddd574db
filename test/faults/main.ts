import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'

const usage = `Usage: npm run test:faults -- [--long] [--seed N] [FILE…]

Runs the fault tests: the short variants, some of which npm test leaves out, or the long ones, with 10,000 random
courses of a run.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    long: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help || !/^\d{1,9}$/.test(values.seed)) {
  console.error(usage)
  process.exit(values.help ? 0 : 2)
}
const everything = values.long ? ['test/faults', 'test/runs/interleavings'] : ['test/faults']
const files = positionals.length === 0 ? everything : positionals
const child = spawn(process.execPath, ['test/run.ts', ...files], {
  stdio: 'inherit',
  env: {
    ...process.env,
    MILLRACE_FAULTS_LONG: values.long ? '1' : '0',
    MILLRACE_FAULTS_SEED: values.seed,
  },
})
const [code] = (await once(child, 'exit')) as [number | null]
process.exitCode = code ?? 1
