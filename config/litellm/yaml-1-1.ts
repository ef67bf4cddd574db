/**
 * The value of a plain scalar as PyYAML reads it, which follows YAML 1.1: `yes` is a boolean, `010` is 8, `12:30` is
 * 750, and `1e-07` is a text. Dates stay texts, since LiteLLM turns them back. The `yaml` package's own 1.1 schema
 * differs in several of these.
 */
export function resolvePlainScalar(source: string): unknown {
  if (/^(?:|~|null|Null|NULL)$/.test(source)) return null
  if (/^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$/.test(source)) return true
  if (/^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$/.test(source)) return false
  return resolveInteger(source) ?? resolveFloat(source) ?? source
}

function resolveInteger(source: string): number | undefined {
  const [, sign, digits = ''] = /^([-+]?)(.*)$/s.exec(source.replaceAll('_', '')) ?? []
  const negate = (value: number): number => (sign === '-' ? -value : value)
  if (/^[-+]?0b[01_]+$/.test(source)) return negate(Number.parseInt(digits.slice(2), 2))
  if (/^[-+]?0x[0-9a-fA-F_]+$/.test(source)) return negate(Number.parseInt(digits.slice(2), 16))
  if (/^[-+]?0[0-7_]+$/.test(source)) return negate(Number.parseInt(digits, 8))
  if (/^[-+]?(?:0|[1-9][0-9_]*)$/.test(source)) return negate(Number(digits))
  if (/^[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+$/.test(source)) return negate(sexagesimal(digits))
  return undefined
}

function resolveFloat(source: string): number | undefined {
  const [, sign, digits = ''] = /^([-+]?)(.*)$/s.exec(source.replaceAll('_', '')) ?? []
  const negate = (value: number): number => (sign === '-' ? -value : value)
  if (/^[-+]?\.(?:inf|Inf|INF)$/.test(source)) return negate(Number.POSITIVE_INFINITY)
  if (/^\.(?:nan|NaN|NAN)$/.test(source)) return Number.NaN
  if (/^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*$/.test(source)) return negate(sexagesimal(digits))
  const isFloat =
    /^[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?$/.test(source) ||
    /^[-+]?\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?$/.test(source)
  return isFloat ? negate(Number(digits)) : undefined
}

function sexagesimal(digits: string): number {
  return digits.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
}
