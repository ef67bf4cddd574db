import { addCost } from '../add-cost.ts'

/** Inside a string the quotes are escaped, so no text of the model can look like this. */
const usage = /"usage"\s*:\s*\{/

/** In the `usage` of a chunk or an answer; no chunk without one is looked into. */
export function tellCost(told: string, cost: number | null): string {
  return usage.test(told) ? addCost(told, ['usage'], cost) : told
}
