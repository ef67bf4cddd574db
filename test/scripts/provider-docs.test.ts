import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { providerDocs } from '../../scripts/provider-docs.ts'

test('docs/providers.md is what the registry says; `npm run docs` makes it so', () => {
  expect(readFileSync(new URL('../../docs/providers.md', import.meta.url), 'utf8')).toBe(providerDocs())
})
