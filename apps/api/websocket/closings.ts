/** Why the gateway ends a connection, and how its peer is told. The codes are a contract: SDKs reconnect by them. */
export const closings = {
  binary: { code: 1003, reason: 'Send text: a binary message means nothing here.' },
  unauthenticated: { code: 1008, reason: 'A key must be the first that is sent, and in time.' },
  'invalid-key': { code: 1008, reason: 'The API key is not one that this gateway knows.' },
  flood: { code: 1008, reason: 'These are more messages a second than this gateway takes.' },
  restart: { code: 1012, reason: 'This process stops. Connect again, and subscribe to what you followed.' },
  crowded: { code: 1013, reason: 'There are as many connections of this tenant as it may have.' },
  unread: { code: 1013, reason: 'Answers are asked for and not read.' },
} as const satisfies Record<string, { code: number; reason: string }>

export type Closing = keyof typeof closings
