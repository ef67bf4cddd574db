export * from './key-pool.ts'
