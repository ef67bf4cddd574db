import { runJsonLoad } from './json-load.ts'
import { report, type Load } from './messages.ts'
import { runStreamLoad } from './stream-load.ts'

/** A process of its own, so that its work is not counted as the bench's or the gateway's. */
const load = JSON.parse(process.argv[2] ?? '') as Load
process.once('disconnect', () => process.exit(1))
const result = await (load.kind === 'json' ? runJsonLoad(load) : runStreamLoad(load))
report({ type: 'finished', result })
process.disconnect()
