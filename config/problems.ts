/** Something in the configuration that the operator must, or for a warning should, change. Never holds a secret. */
export interface Problem {
  /** Where it was set: a file, `environment variable PORT`, or `command line`. */
  readonly source: string
  /** The setting and what is wrong with it: `server.port: must be at most 65535`. */
  readonly message: string
  /** Absent where no line of a file is to blame. */
  readonly place?: Place | undefined
}

export interface Place {
  /** Counted from 1, as editors do. */
  readonly line: number
  readonly column: number
  readonly length: number
  /** The whole line, with `*` in place of what may be secret. */
  readonly text: string
}

/** The way to a setting: keys and list positions from the top of the file. */
export type Path = readonly (string | number)[]

/** What a check has found, before it is known where in the file that is. */
export interface Finding {
  readonly path: Path
  readonly message: string
  /** Point at the name of the setting even where it has a value. */
  readonly atKey?: boolean
}

/** One text for people: `file:line:column: message`, the line, and a caret under what is meant. */
export function formatProblems(problems: readonly Problem[]): string {
  return problems.map(formatProblem).join('\n\n')
}

function formatProblem({ source, message, place }: Problem): string {
  if (place === undefined) return `${source}: ${message}`
  const lineNumber = String(place.line)
  const indent = place.text.slice(0, place.column - 1).replaceAll(/[^\t]/g, ' ')
  return [
    `${source}:${lineNumber}:${place.column}: ${message}`,
    `  ${lineNumber} | ${place.text}`,
    `  ${' '.repeat(lineNumber.length)} | ${indent}${'^'.repeat(place.length)}`,
  ].join('\n')
}

/** `models[0].targets[1].provider` */
export function formatPath(path: Path): string {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .replace(/^\./, '')
}

/** The path for people: a key that is too long to be one of ours may be a secret in the wrong place. */
export function showPath(path: Path): string {
  return formatPath(path.map((step) => (typeof step === 'number' || isShownKey(step) ? step : '****')))
}

export function isShownKey(key: string): boolean {
  return key.length <= 24 || /^[a-z_-]+$/.test(key)
}
