import { expect, test } from 'vitest'
import { mustLoad, problemsOf } from './support.ts'

test('webhooks are set as everything else, from the environment too', () => {
  const yaml = `webhooks: { allow_http: true, ports: [80, 443], schedule_ms: [], encryption_key: "\${SEAL}" }`
  for (const key of ['0a'.repeat(32), Buffer.alloc(32, 1).toString('base64')]) {
    const { webhooks } = mustLoad(yaml, { environment: { SEAL: key } })
    expect(webhooks).toMatchObject({
      allowHttp: true,
      allowPrivate: false,
      ports: [80, 443],
      scheduleMs: [],
      encryptionKey: key,
    })
  }
})

test('what cannot be is refused, and a key that is none is not shown', () => {
  const problems = [
    ['{ encryption_key: "secret" }', 'webhooks.encryption_key: must be 32 bytes'],
    ['{ encryption_key: "" }', 'webhooks.encryption_key: must be 32 bytes'],
    ['{ ports: [] }', 'webhooks.ports: must not be empty'],
    ['{ ports: [0] }', 'webhooks.ports[0]: must be at least 1'],
    ['{ timeout_ms: 0 }', 'webhooks.timeout_ms: must be at least 1'],
    ['{ schedule: [5] }', 'webhooks.schedule: unknown key; did you mean "schedule_ms"?'],
  ]
  for (const [yaml, problem] of problems) {
    const told = problemsOf(`webhooks: ${yaml}`)
    expect(told.join('\n')).toContain(problem)
    expect(told.join('\n')).not.toContain('"secret"')
  }
})
