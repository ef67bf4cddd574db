import { isChatDialect, type Dialect } from '#libs/dialects'
import type { NativeCall, ProviderSpec } from '#libs/providers'

/** Whether a provider can be asked in a dialect at all: in its own words, or in a translation. */
export function canAnswer(spec: ProviderSpec, dialect: Dialect, call: NativeCall): boolean {
  const { native, builtIn, adapter, operations = builtIn?.operations } = spec
  if (native[dialect.name]?.(call) !== undefined) return true
  if (operations?.[dialect.name] !== undefined) return true
  if (builtIn?.answers?.[dialect.name] !== undefined) return true
  return isChatDialect(dialect) && (builtIn !== undefined || adapter !== undefined)
}
