import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Redis } from 'ioredis'

export type ScriptArgument = string | number | Buffer
export type Script = (keys: readonly string[], args: readonly ScriptArgument[]) => Promise<unknown>

/**
 * Makes a Lua file callable. The file's name ends with its number of keys, as in `claim-4.lua`, and its head
 * comment tells KEYS, ARGV and the reply. Sent as EVALSHA; a server that does not know it gets the text.
 */
export function defineScript(redis: Redis, file: URL): Script {
  const path = fileURLToPath(file)
  const match = /^(.+)-(\d+)\.lua$/.exec(basename(path))
  if (match?.[1] === undefined) throw new Error(`${path} is not named <verb>-<number of keys>.lua`)
  const numberOfKeys = Number(match[2])
  const command = `millrace_${match[1]}`
  redis.defineCommand(command, { numberOfKeys, lua: readFileSync(path, 'utf8') })
  const call = (redis as unknown as Record<string, (...args: ScriptArgument[]) => Promise<unknown>>)[command]
  if (call === undefined) throw new Error(`${command} could not be defined`)
  return (keys, args) => {
    if (keys.length !== numberOfKeys)
      throw new Error(`${command} takes ${numberOfKeys} keys, got ${keys.length}`)
    return call.apply(redis, [...keys, ...args])
  }
}
