export * from './directory.ts'
export * from './object-store.ts'
export * from './s3.ts'
export * from './open.ts'
