export * from './bedrock.ts'
