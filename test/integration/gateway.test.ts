import { expect, test } from 'vitest'
import { useGateway } from '../support/gateway.ts'

const gateway = useGateway({ apis: 2 })

test('a killed API comes back at its address', async () => {
  const [, second] = gateway().apis
  expect(await second?.stop('SIGKILL')).toBeNull()
  await second?.restart()

  const response = await fetch(`${second?.url}/readyz`)
  expect(await response.json()).toEqual({ status: 'ready', redis: 'ok', archive: 'ok', draining: false })
})
