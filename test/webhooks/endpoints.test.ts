import { expect, test } from 'vitest'
import type { Webhooks } from '#libs/webhooks'
import { useWebhooks } from './support.ts'

const lab = useWebhooks()
const settings = { name: 'mine', url: 'https://example.com/', eventTypes: ['response.completed'] }
let tenants = 0
const newTenant = (): string => `tenant-${++tenants}`
const idle = { works: false }

test('changes from several processes at once are all kept', async () => {
  const tenant = newTenant()
  const processes = [lab().open(idle), lab().open(idle), lab().open(idle)]
  const create = ({ endpoints }: Webhooks) => endpoints.create(tenant, settings)
  const created = await Promise.all([...processes, ...processes].map(create))
  const [first] = processes
  const listed = await first?.endpoints.list(tenant)
  expect(listed?.map(({ id }) => id).toSorted()).toEqual(
    created.map(({ endpoint }) => endpoint.id).toSorted(),
  )
})

test('the object is the truth: what Redis forgets is read again, and what is changed is seen at once', async () => {
  const tenant = newTenant()
  const [here, there] = [lab().open(idle), lab().open(idle)]
  expect(await there.endpoints.list(tenant)).toEqual([])
  const { endpoint } = await here.endpoints.create(tenant, settings)
  expect(await there.endpoints.list(tenant)).toEqual([endpoint])
  await lab().server.flush()
  expect(await there.endpoints.list(tenant)).toEqual([endpoint])
  await here.endpoints.delete(tenant, endpoint.id)
  await lab().server.flush()
  expect(await there.endpoints.list(tenant)).toEqual([])
})

test('there is an end to how many endpoints a tenant has', async () => {
  const tenant = newTenant()
  const { endpoints } = lab().open(idle)
  for (let count = 0; count < 50; count++) await endpoints.create(tenant, settings)
  await expect(endpoints.create(tenant, settings)).rejects.toMatchObject({ code: 'invalid_request' })
})

test('a secret that was sealed opens with its key alone, and one that lies open is read all the same', async () => {
  const tenant = newTenant()
  const encryptionKey = Buffer.alloc(32, 7).toString('base64')
  const open = lab().open(idle)
  const sealing = lab().open({ ...idle, encryptionKey })
  const plain = await open.endpoints.create(tenant, settings)
  expect(sealing.endpoints.secretsOf(plain.endpoint)).toEqual([plain.secret])
  const sealed = await sealing.endpoints.create(tenant, settings)
  expect(JSON.stringify(sealed.endpoint)).not.toContain(sealed.secret)
  expect(sealing.endpoints.secretsOf(sealed.endpoint)).toEqual([sealed.secret])
  expect(() => open.endpoints.secretsOf(sealed.endpoint)).toThrow(/webhooks\.encryption_key is not set/)
  const wrong = lab().open({ ...idle, encryptionKey: 'cd'.repeat(32) })
  expect(() => wrong.endpoints.secretsOf(sealed.endpoint)).toThrow()
  // A secret that somebody copied to another endpoint is none of that one's.
  const moved = { ...plain.endpoint, secrets: sealed.endpoint.secrets }
  expect(() => sealing.endpoints.secretsOf(moved)).toThrow()
})

test('an old secret signs until its time is up', async () => {
  const tenant = newTenant()
  const { endpoints } = lab().open(idle)
  const first = await endpoints.create(tenant, settings)
  const second = await endpoints.rotate(tenant, first.endpoint.id, 60_000)
  if (second === undefined) throw new Error('The endpoint is gone.')
  expect(endpoints.secretsOf(second.endpoint)).toEqual([second.secret, first.secret])
  const [current, old] = second.endpoint.secrets
  if (current === undefined || old === undefined) throw new Error('A secret is missing.')
  expect(old.expiresAtMs).toBeGreaterThan(Date.now() + 50_000)
  const later = { ...second.endpoint, secrets: [current, { ...old, expiresAtMs: Date.now() }] }
  expect(endpoints.secretsOf(later)).toEqual([second.secret])
})

test('endpoints that nobody can read are told of, and hold up no event', async () => {
  const tenant = newTenant()
  const errors: unknown[] = []
  const { endpoints, publish } = lab().open({ ...idle, onError: (error) => errors.push(error) })
  await lab().objects.put(`webhooks/${tenant}.json`, Buffer.from('{"version":2}'))
  await expect(endpoints.list(tenant)).rejects.toMatchObject({ code: 'internal_error' })
  await expect(endpoints.create(tenant, settings)).rejects.toMatchObject({ code: 'internal_error' })
  await publish([{ tenant, type: 'job.completed', data: { id: 'resp_1' }, atMs: Date.now() }])
  expect(errors).toHaveLength(1)
})
