export { costOf, estimateCost } from './cost.ts'
export * from './price-list.ts'
export * from './price.ts'
export { tableDate, tableVersion } from './table.ts'
