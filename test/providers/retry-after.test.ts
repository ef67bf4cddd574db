import { expect, it } from 'vitest'
import { readRetryAfterMs } from '../../libs/providers/http/retry-after.ts'

const nowMs = Date.UTC(2026, 10, 20, 12, 0, 0)
const dayMs = 86_400_000

it.each<[Record<string, string>, number | undefined]>([
  [{}, undefined],
  [{ 'retry-after-ms': '250', 'retry-after': '9' }, 250],
  [{ 'retry-after-ms': 'x', 'retry-after': '9' }, 9000],
  [{ 'retry-after': '0' }, 0],
  [{ 'retry-after': '1.5' }, 1500],
  [{ 'retry-after': 'Fri, 20 Nov 2026 12:00:30 GMT' }, 30_000],
  [{ 'retry-after': 'Fri, 20 Nov 2026 11:00:00 GMT' }, 0],
  [{ 'retry-after': 'Mon, 20 Nov 2036 11:00:00 GMT' }, dayMs],
  [{ 'retry-after': '99999999999999' }, dayMs],
  [{ 'retry-after': '9'.repeat(400) }, dayMs],
  [{ 'retry-after': '-1' }, undefined],
  [{ 'retry-after': '1e3' }, undefined],
  [{ 'retry-after': 'Infinity' }, undefined],
  [{ 'retry-after': '' }, undefined],
  [{ 'retry-after': 'later' }, undefined],
])('reads %j as %s ms', (headers, waitMs) => {
  expect(readRetryAfterMs(headers, nowMs)).toBe(waitMs)
})
