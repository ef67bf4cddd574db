export * from './dialect.ts'
