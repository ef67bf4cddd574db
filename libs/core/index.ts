export * from './canonical-request.ts'
export * from './errors.ts'
export * from './ids.ts'
export * from './parts.ts'
