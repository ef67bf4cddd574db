import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'

export interface DnsServer {
  /** Addresses of any name, one query after another; the last stays. */
  answers: string[][]
  /** How many questions for an address of version 4 were answered. */
  readonly queries: number
  /** Asks this server, as a fetcher's lookup. */
  lookup: (hostname: string) => Promise<string[]>
  close(): Promise<void>
}

/** A name server that can change its mind from one query to the next: its answers live for no second. */
export async function startDnsServer(answers: string[][]): Promise<DnsServer> {
  const socket = createSocket('udp4')
  let queries = 0
  socket.on('message', (query, sender) => {
    const addresses = server.answers[Math.min(queries, server.answers.length - 1)] ?? []
    queries += 1
    socket.send(toAnswer(query, addresses), sender.port, sender.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const resolver = new Resolver({ timeout: 1_000, tries: 2 })
  resolver.setServers([`127.0.0.1:${socket.address().port}`])
  const server: DnsServer = {
    answers,
    get queries() {
      return queries
    },
    lookup: (hostname: string) => resolver.resolve4(hostname),
    async close() {
      resolver.cancel()
      socket.close()
      await once(socket, 'close')
    },
  }
  return server
}

/** RFC 1035: the question again, and a record of type A for each address, whose name is a pointer to the question's. */
function toAnswer(query: Buffer, addresses: string[]): Buffer {
  const question = query.subarray(12, query.indexOf(0, 12) + 5)
  const header = Buffer.alloc(12)
  query.copy(header, 0, 0, 2)
  header.writeUInt16BE(0x8180, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(addresses.length, 6)
  const records = addresses.map((address) => {
    return Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)])
  })
  return Buffer.concat([header, question, ...records])
}
