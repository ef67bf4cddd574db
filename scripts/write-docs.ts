import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { providerDocs } from './provider-docs.ts'

writeFileSync(join(import.meta.dirname, '../docs/providers.md'), providerDocs())
