export { costOf, estimateCost, typicalCost } from './cost.ts'
export * from './price-list.ts'
export * from './price.ts'
export { tableDate, tableVersion } from './table.ts'
