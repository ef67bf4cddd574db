import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Redis } from 'ioredis'

/** What a script takes; numbers arrive as text. */
export type ScriptArgument = string | number | Buffer
/** Runs the script, all or nothing. Throws when the number of keys is not the one in its name. */
export type Script = (keys: readonly string[], args: readonly ScriptArgument[]) => Promise<unknown>

/**
 * Makes a Lua file callable. The file's name ends with its number of keys, as in `claim-4.lua`, and its head
 * comment tells KEYS, ARGV and the reply. A line `-- @include places.lua` brings in the functions of a file beside
 * it. Sent as EVALSHA; a server that does not know it gets the text.
 */
export function defineScript(redis: Redis, file: URL): Script {
  const { name, numberOfKeys, included, lua } = readScript(file)
  const call = defineCommand(redis, `millrace_${name}`, included + lua)
  return (keys, args) => {
    checkKeys(name, numberOfKeys, keys)
    return call(numberOfKeys, ...keys, ...args)
  }
}

const mostCallsAtOnce = 64
const mostBytesAtOnce = 1024 * 1024

/**
 * The same for a script that many runs need at once: the calls of one turn of the event loop travel as one, and
 * the file runs for each of them in the order of the calls. To Redis a script costs mostly its being called, to
 * the client its being sent and answered. All calls of one such script take the same number of arguments, and
 * the reply `false` stands for nil.
 */
export function defineBatchScript(redis: Redis, file: URL): Script {
  const { name, numberOfKeys, included, lua } = readScript(file)
  const call = defineCommand(redis, `millrace_${name}_batch`, included + batched(lua, numberOfKeys))
  let pending: Call[] = []

  function flush(): void {
    const calls = pending
    pending = []
    for (let start = 0; start < calls.length;) {
      let end = start
      for (
        let bytes = 0;
        end < calls.length && end - start < mostCallsAtOnce && bytes < mostBytesAtOnce;
        end++
      ) {
        bytes += calls[end]?.bytes ?? 0
      }
      send(calls.slice(start, end))
      start = end
    }
  }

  function send(calls: readonly Call[]): void {
    const keys = calls.flatMap((entry) => entry.keys)
    const args = calls.flatMap((entry) => entry.args)
    call(keys.length, ...keys, ...args).then(
      (replies) =>
        calls.forEach(({ resolve, reject }, index) => {
          const reply = (replies as unknown[])[index]
          // An error that the file itself returns is one of the replies, and the others are good.
          if (reply instanceof Error) reject(reply)
          else resolve(reply)
        }),
      (error: unknown) => calls.forEach(({ reject }) => reject(error)),
    )
  }

  return (keys, args) => {
    checkKeys(name, numberOfKeys, keys)
    return new Promise((resolve, reject) => {
      const bytes = args.reduce<number>(
        (sum, argument) => sum + (typeof argument === 'number' ? 8 : argument.length),
        0,
      )
      if (pending.push({ keys, args, bytes, resolve, reject }) === 1) setImmediate(flush)
    })
  }
}

interface Call {
  keys: readonly string[]
  args: readonly ScriptArgument[]
  bytes: number
  resolve: (reply: unknown) => void
  reject: (error: unknown) => void
}

/** The file as a function of its own KEYS and ARGV, and a loop over the calls, of which one may fail alone. */
function batched(lua: string, numberOfKeys: number): string {
  return `local function run(KEYS, ARGV)
${lua}
end
local calls = #KEYS / ${numberOfKeys}
local width = #ARGV / calls
local replies = {}
for call = 1, calls do
  local done, reply = pcall(
    run,
    { unpack(KEYS, (call - 1) * ${numberOfKeys} + 1, call * ${numberOfKeys}) },
    { unpack(ARGV, (call - 1) * width + 1, call * width) }
  )
  if not done and type(reply) ~= 'table' then reply = redis.error_reply(tostring(reply)) end
  replies[call] = reply
end
return replies`
}

interface ScriptText {
  name: string
  numberOfKeys: number
  /** What stands before it, once for a whole batch. */
  included: string
  lua: string
}

function readScript(file: URL): ScriptText {
  const path = fileURLToPath(file)
  const match = /^(.+)-(\d+)\.lua$/.exec(basename(path))
  if (match?.[1] === undefined) throw new Error(`${path} is not named <verb>-<number of keys>.lua`)
  const lua = readFileSync(path, 'utf8')
  const included = [...lua.matchAll(/^-- @include (\S+)$/gm)]
    .map(([, name = '']) => readFileSync(new URL(name, file), 'utf8'))
    .join('')
  return { name: match[1], numberOfKeys: Number(match[2]), included, lua }
}

function defineCommand(
  redis: Redis,
  command: string,
  lua: string,
): (...args: ScriptArgument[]) => Promise<unknown> {
  redis.defineCommand(command, { lua })
  const call = (redis as unknown as Record<string, (...args: ScriptArgument[]) => Promise<unknown>>)[command]
  if (call === undefined) throw new Error(`${command} could not be defined`)
  return (...args) => call.apply(redis, args)
}

function checkKeys(name: string, numberOfKeys: number, keys: readonly string[]): void {
  if (keys.length !== numberOfKeys) throw new Error(`${name} takes ${numberOfKeys} keys, got ${keys.length}`)
}
