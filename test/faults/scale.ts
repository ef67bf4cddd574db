/** How long the fault tests take: `npm run test:faults -- --long --seed N` sets both; CI takes the short way. */
export const isLong = process.env.MILLRACE_FAULTS_LONG === '1'
export const seed = Number(process.env.MILLRACE_FAULTS_SEED ?? '1')

/** The value for the short variant, or for the long one. */
export function scaled(short: number, long: number): number {
  return isLong ? long : short
}
