export * from './logger.ts'
export * from './metric-list.ts'
export * from './metrics.ts'
