/** What was paid for something. Whole numbers, so that sums are exact; up to 9 million dollars fit. */
export interface Cost {
  /** Thousand-millionths of a US dollar; null if nobody knows, which is not the same as 0. */
  nanodollars: number | null
  /** Where the price is from; null without one. */
  source: string | null
}

/** The amount as a decimal number of US dollars that is exact and has no exponent, such as `0.000012345`. */
export function toDollars(nanodollars: number): string {
  const digits = String(nanodollars).padStart(10, '0')
  const cents = digits.slice(-9).replace(/0+$/, '')
  return digits.slice(0, -9) + (cents === '' ? '' : `.${cents}`)
}
