import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '#config'
import { providerSpecs } from '#libs/providers'
import { expect, onTestFinished, test } from 'vitest'
import { root } from '../support/sources.ts'

test('the file of prices in the guide about costs is one that can be read', () => {
  const guide = readFileSync(join(root, 'docs/guides/costs.md'), 'utf8')
  const directory = mkdtempSync(join(tmpdir(), 'millrace-guide-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, 'prices.json'), /^```json\n([^]*?)^```/m.exec(guide)?.[1] ?? '')
  writeFileSync(join(directory, 'millrace.yaml'), 'prices: prices.json')

  const loaded = loadConfig({ providerSpecs, environment: {}, workingDirectory: directory })
  expect(loaded).toMatchObject({
    ok: true,
    warnings: [],
    config: { prices: { source: 'house prices', date: '2026-10-01', entries: [{}, {}] } },
  })
})
