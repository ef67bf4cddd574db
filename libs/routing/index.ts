export * from './error-policy.ts'
export * from './next-step.ts'
export * from './router.ts'
