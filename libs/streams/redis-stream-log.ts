import { channels, defineBatchScript, defineScript, keys, type Redis } from '#libs/redis'
import { parseStreamEntry } from './log-entry.ts'
import type { AppendResult, StreamLog } from './stream-log.ts'

const pageEntries = 64
/** What a reader may have no room for is read in vain, so a page is not much more than a connection takes at once. */
const pageBytes = 64 * 1024

/** The logs as Redis streams, on a connection that stays its owner's. */
export function createRedisStreamLog(redis: Redis): StreamLog {
  const append = defineBatchScript(redis, new URL('append-2.lua', import.meta.url))
  const read = defineScript(redis, new URL('read-2.lua', import.meta.url))
  return {
    async append(rid, entry, homeChannel) {
      const { epoch, seq, count, meta, payload } = entry
      const position = [rid, epoch, seq, count, meta, payload, homeChannel, channels.run(rid)]
      return (await append([keys.run(rid), keys.log(rid)], position)) as AppendResult
    },
    async read(rid, tenant, cursor) {
      // Numbers go on from one epoch to the next, so what a reader lacks has an id above its own in any case.
      const after = cursor.seq < 0 ? '0-0' : `${Math.max(cursor.epoch, 1)}-${cursor.seq}`
      const reply = await read([keys.run(rid), keys.log(rid)], [tenant, after, pageEntries, pageBytes])
      if (reply === null) return undefined
      const [state, entries, isComplete] = reply as [string, [string, string[]][], number]
      return {
        state,
        entries: entries.map(([id, fields]) => parseStreamEntry(id, fields)),
        complete: isComplete === 1,
      }
    },
  }
}
