export * from './catalog.ts'
export * from './file-store.ts'
