export { createVertexSigner } from './sign.ts'
export { vertex } from './vertex.ts'
