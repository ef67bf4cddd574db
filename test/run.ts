import { parseCLI, startVitest, type Vitest } from 'vitest/node'

/**
 * What `npm test` runs: vitest with the arguments given (`npm test -- test/runs -t claims`), then one line of totals
 * for people and CI alike. A file that cannot be loaded and an error outside any test count as failed too.
 */
const { filter, options } = parseCLI(['vitest', 'run', ...process.argv.slice(2)])
const vitest = await startVitest('test', filter, options)
const totals = countResults(vitest)
await vitest.close()

console.log(
  `${totals.passed} passed, ${totals.failed} failed` +
    (totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''),
)
process.exit(totals.failed > 0 || totals.passed === 0 ? 1 : 0)

function countResults({ state }: Vitest) {
  const totals = { passed: 0, failed: state.getUnhandledErrors().length, skipped: 0 }
  for (const file of state.getTestModules()) {
    totals.failed += file.errors().length
    for (const test of file.children.allTests()) {
      const result = test.result().state
      totals[result === 'pending' ? 'skipped' : result] += 1
    }
    for (const suite of file.children.allSuites()) totals.failed += suite.errors().length
  }
  return totals
}
