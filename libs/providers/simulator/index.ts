export * from './model-name.ts'
export * from './pace.ts'
export * from './plan-answer.ts'
export * from './simulator.ts'
