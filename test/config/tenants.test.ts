import { describe, expect, test } from 'vitest'
import { createShareOf } from '#config'
import { mustLoad, problemsOf } from './support.ts'

const keys = `keys: [ { key: 0123456789abcdef, tenant: team-a }, { key: fedcba9876543210, tenant: team-b } ]`
const providers = `providers: { narrow: { type: simulator, buffer_size: 9 }, tiny: { type: simulator, buffer_size: 1 } }`

test('a tenant has what the file says of it, and the defaults for the rest', () => {
  const config = mustLoad(`
${keys}
${providers}
tenant_defaults: { max_running: 4 }
tenants: { team-a: { weight: 3, max_waiting: "6" } }
general: { aging_ms: { batch: 5000 } }
`)

  expect(config.tenants).toEqual([{ name: 'team-a', weight: 3, maxWaiting: 6, maxRunning: 4 }])
  expect(config.general.agingMs).toEqual({ standard: 60_000, batch: 5000 })
  const shareOf = createShareOf(config)
  expect(shareOf('team-a', 'narrow')).toEqual({ weight: 3, maxWaiting: 6, maxRunning: 4, isAlone: false })
  expect(shareOf('team-b', 'narrow')).toMatchObject({ weight: 1, maxWaiting: 4, maxRunning: 4 })
})

test('one of several tenants may fill half of a buffer, and one that is alone all of it', () => {
  const several = createShareOf(mustLoad(`${keys}\n${providers}`))
  expect(several('team-a', 'narrow').maxWaiting).toBe(4)
  expect(several('team-a', 'tiny').maxWaiting).toBe(1)

  const nobody = createShareOf(mustLoad(providers))
  expect(nobody('default', 'narrow')).toMatchObject({ weight: 1, maxWaiting: 9, isAlone: true })
  const one = createShareOf(mustLoad(`keys: [ { key: 0123456789abcdef, tenant: team-a } ]\n${providers}`))
  expect(one('team-a', 'narrow').maxWaiting).toBe(9)
})

describe('a problem is told', () => {
  test.each([
    [
      'of a tenant that no key belongs to',
      `${keys}\ntenants: { team-bb: { weight: 2 } }`,
      '2:12: tenants.team-bb: is the tenant of no key; did you mean "team-b"?',
    ],
    [
      'of one, where nobody has a key',
      'tenants: { somebody: { weight: 2 } }',
      '1:12: tenants.somebody: is the tenant of no key; keys have default',
    ],
    [
      'of a weight of 0',
      `${keys}\ntenants: { team-a: { weight: 0 } }`,
      '2:30: tenants.team-a.weight: must be at least 1',
    ],
    [
      'of a limit that lets nothing through',
      'tenant_defaults: { max_running: 0 }',
      '1:33: tenant_defaults.max_running: must be at least 1',
    ],
    [
      'of a name that is none of the settings',
      'tenant_defaults: { max_runing: 1 }',
      '1:20: tenant_defaults.max_runing: unknown key; did you mean "max_running"?',
    ],
    [
      'of a lane that does not age',
      'general: { aging_ms: { interactive: 5 } }',
      '1:24: general.aging_ms.interactive: unknown key; known here: standard, batch',
    ],
  ])('%s', (_what, file, problem) => {
    expect(problemsOf(file)).toEqual([expect.stringContaining(problem)])
  })
})
