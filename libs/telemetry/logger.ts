import pino, { type DestinationStream, type Logger, type LoggerOptions } from 'pino'

import { censorFields, topLevelPaths } from './censor.ts'
import { errorFields } from './error-fields.ts'

export type { Logger } from 'pino'

/** From the most talkative to none at all; `info` tells of each process and each run that went wrong. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

/** How a process logs. */
export interface CreateLoggerOptions {
  level: LogLevel
  /** The process that logs: `api`, `worker`. */
  name: string
  /** Where lines go; standard output, written in the background, unless it is given. */
  destination?: DestinationStream
}

/**
 * A pino logger that cannot print a key or a prompt: requests and errors pass through an allow-list, and the
 * fields below are censored wherever an object of up to three levels is logged.
 */
export function createLogger({ level, name, destination }: CreateLoggerOptions): Logger {
  const options: LoggerOptions = {
    level,
    name,

    redact: { paths: topLevelPaths, censor: '[redacted]' },
    formatters: { log: censorFields },
    serializers: {
      req: requestFields,
      request: requestFields,
      res: responseFields,
      err: errorFields,
      error: errorFields,
    },
    hooks: { streamWrite: scrubKeys },
  }
  return pino(options, destination ?? backgroundStdout())
}

// Providers repeat a part of a rejected key in their messages, and pino repeats an error's message in `msg`.
const keyLike =
  /\b(?:(?:sk|pk|rk|gsk|xai|hf|nvapi)[-_]|AKIA|AIza|eyJ)[\w-]{8,}[\w.*-]*|\bwhsec_[\w+/=]+|(?<=\bBearer )[^\s"'\\]+/g

function scrubKeys(line: string): string {
  return line.replace(keyLike, '[redacted]')
}

/**
 * Lines wait for 4 KiB or a quarter of a second, so that a busy process makes few writes. pino flushes what
 * waits when the process exits and before a fatal line; only SIGKILL loses the last quarter of a second.
 */
function backgroundStdout(): DestinationStream {
  return pino.destination({ fd: 1, sync: false, minLength: 4096, periodicFlush: 250 })
}

function requestFields(request: unknown): Record<string, unknown> {
  if (typeof request !== 'object' || request === null) return {}
  const { id, method, url, ip } = request as Record<string, unknown>
  // Some SDKs send their key as a query parameter.
  return { id, method, path: typeof url === 'string' ? url.split('?', 1)[0] : undefined, ip }
}

function responseFields(response: unknown): Record<string, unknown> {
  if (typeof response !== 'object' || response === null) return {}
  return { statusCode: (response as { statusCode?: unknown }).statusCode }
}
