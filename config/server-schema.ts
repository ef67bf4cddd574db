import { z } from 'zod'
import { boolean, httpUrl, longestMs, milliseconds, number, onDisconnect } from './schema-parts.ts'
import { secret, section, text } from './schema-parts.ts'

/** The part of the file that says how the gateway itself runs, and where it keeps things. */

const origin = z
  .string()
  .toLowerCase()
  .regex(
    /^(?:\*|null|[a-z][a-z0-9+.-]*:\/\/[^\s/?#@]+)$/,
    'must be "*" or an origin such as https://app.example.com',
  )

const websocket = section({
  allowed_origins: z.array(origin).default([]),
  auth_timeout_ms: milliseconds.default(10_000),
  max_message_bytes: number(1024, 1_073_741_824).default(1_048_576),
  max_messages_per_second: number(1, 100_000).default(100),
  max_connections: number(1, 1_000_000).default(10_000),
  max_tenant_connections: number(1, 1_000_000).default(5000),
  max_streams: number(1, 10_000).default(32),
  max_buffered_bytes: number(65_536, 1_073_741_824).default(1_048_576),
  ping_interval_ms: number(1000, longestMs).default(30_000),
})

export const server = section({
  host: text.default('127.0.0.1'),
  port: number(0, 65_535).default(8080),
  body_limit_bytes: number(1024, 1_073_741_824).default(10_485_760),
  stream_commit_ms: number(0, longestMs).default(3000),
  sync_wait_ms: milliseconds.default(240_000),
  keep_alive_ms: milliseconds.default(15_000),
  drain_ms: number(0, longestMs).default(30_000),
  log_level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  on_disconnect: onDisconnect.default('continue'),
  outbox_limit_ms: milliseconds.default(3_600_000),
  stuck_reader_ms: milliseconds.default(60_000),
  websocket: websocket.prefault({}),
})

export const redis = section({
  url: z
    .string()
    .regex(/^rediss?:\/\/\S+$/, 'must start with redis:// or rediss://')
    .optional(),
  retain_ms: number(0, longestMs).default(60_000),
  allow_eviction: boolean.default(false),
})

export const storage = z.discriminatedUnion('driver', [
  section({ driver: z.literal('directory'), path: text.optional() }),
  section({
    driver: z.literal('s3'),
    bucket: text,
    prefix: z
      .string()
      .regex(/^(?!\/)/, 'must not start with /')
      .default(''),
    endpoint: httpUrl.optional(),
    region: text.default('us-east-1'),
    force_path_style: boolean.default(false),
    access_key_id: secret.optional(),
    secret_access_key: secret.optional(),
  }),
])

export const files = section({
  max_bytes: number(1, 50_000_000_000).default(536_870_912),
})

export const batches = section({
  max_lines: number(1, 10_000_000).default(100_000),
  max_bytes: number(1, 50_000_000_000).default(268_435_456),
  in_flight: number(1, 10_000).default(256),
  at_once: number(0, 1000).default(16),
  expire_after_ms: milliseconds.default(86_400_000),
})

const seconds = 1000
const minutes = 60 * seconds
const hours = 60 * minutes
/** That of Standard Webhooks: ten attempts in some three days. */
const standardSchedule = [
  5 * seconds,
  5 * minutes,
  30 * minutes,
  ...[2, 5, 10, 14, 20, 24].map((count) => count * hours),
]
const encryptionKey = /^(?:[0-9A-Fa-f]{64}|[A-Za-z0-9+/]{43}=)$/

export const webhooks = section({
  allow_http: boolean.default(false),
  allow_private: boolean.default(false),
  ports: z.array(number(1, 65_535)).min(1).default([443, 8443]),
  schedule_ms: z.array(milliseconds).max(100).default(standardSchedule),
  timeout_ms: number(1, 300_000).default(15_000),
  disable_after_ms: milliseconds.default(432_000_000),
  parallel: number(1, 1000).default(4),
  kept_deliveries: number(1, 10_000_000).default(10_000),
  encryption_key: z
    .string()
    .regex(
      encryptionKey,
      'must be 32 bytes as 64 hexadecimal digits or as base64; `openssl rand -hex 32` makes one',
    )
    .optional(),
})

export const serverSections = [websocket, server, redis, ...storage.options, files, batches, webhooks]
