import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { load, makeDirectory, mustLoad, problemsOf } from './support.ts'

const specified = `
server:   { host: 127.0.0.1, port: 8080 }
storage:  { driver: s3, bucket: answers, endpoint: "\${S3_ENDPOINT}", region: auto, force_path_style: true }
keys:     [ { key: "\${TEAM_A_KEY}", tenant: team-a } ]
providers:
  openai: { type: openai, keys: [ { name: main, value: "\${OPENAI_API_KEY}", weight: 1 } ], concurrency: 64, buffer_size: 5000 }
  local:  { type: openai-compatible, base_url: "http://127.0.0.1:8000/v1", concurrency: 8, timeouts: { connect_ms: 2000, first_byte_ms: 60000, idle_ms: 30000, total_ms: 600000 } }
models:
  - name: corporate
    routing: load-balance
    targets: [ { provider: openai, model: gpt-5-mini, weight: 80 }, { provider: local, model: qwen3, weight: 20 } ]
`
const environment = {
  S3_ENDPOINT: 'http://127.0.0.1:9000',
  TEAM_A_KEY: 'team-a-key-0123456789',
  OPENAI_API_KEY: 'sk-openai',
}
const defaultTimeouts = { connectMs: 5000, firstByteMs: 120_000, idleMs: 60_000, totalMs: 600_000 }

describe('a file', () => {
  test('becomes a configuration with every default filled in', () => {
    const workingDirectory = makeDirectory(specified)

    const config = mustLoad(undefined, { environment, workingDirectory })

    expect(config).toEqual({
      server: {
        host: '127.0.0.1',
        port: 8080,
        bodyLimitBytes: 10_485_760,
        streamCommitMs: 3000,
        syncWaitMs: 240_000,
        keepAliveMs: 15_000,
        drainMs: 30_000,
        logLevel: 'info',
        onDisconnect: 'continue',
        outboxLimitMs: 3_600_000,
        stuckReaderMs: 60_000,
        websocket: {
          allowedOrigins: [],
          authTimeoutMs: 10_000,
          maxMessageBytes: 1_048_576,
          maxMessagesPerSecond: 100,
          maxConnections: 10_000,
          maxTenantConnections: 5000,
          maxStreams: 32,
          maxBufferedBytes: 1_048_576,
          pingIntervalMs: 30_000,
        },
      },
      redis: { url: undefined, retainMs: 60_000, allowEviction: false },
      storage: {
        driver: 's3',
        bucket: 'answers',
        prefix: '',
        endpoint: 'http://127.0.0.1:9000',
        region: 'auto',
        forcePathStyle: true,
      },
      files: { maxBytes: 536_870_912 },
      batches: {
        maxBytes: 268_435_456,
        maxLines: 100_000,
        inFlight: 256,
        atOnce: 16,
        expireAfterMs: 86_400_000,
      },
      dataDir: join(workingDirectory, '.data'),
      keys: [{ name: 'key-1', key: 'team-a-key-0123456789', tenant: 'team-a' }],
      tenants: [],
      tenantDefaults: { weight: 1 },
      providers: [
        {
          name: 'sim',
          type: 'simulator',
          keys: [],
          options: {},
          concurrency: 256,
          bufferSize: 5000,
          timeouts: defaultTimeouts,
        },
        {
          name: 'openai',
          type: 'openai',
          keys: [{ name: 'main', value: 'sk-openai', weight: 1 }],
          options: {},
          concurrency: 64,
          bufferSize: 5000,
          timeouts: defaultTimeouts,
        },
        {
          name: 'local',
          type: 'openai-compatible',
          baseUrl: 'http://127.0.0.1:8000/v1',
          keys: [],
          options: {},
          concurrency: 8,
          bufferSize: 5000,
          timeouts: { connectMs: 2000, firstByteMs: 60_000, idleMs: 30_000, totalMs: 600_000 },
        },
      ],
      models: [
        {
          name: 'corporate',
          aliases: [],
          hidden: false,
          routing: 'load-balance',
          cacheAffinity: {
            strongNanodollars: 1_000_000,
            strongTokens: 4_000,
            mildNanodollars: 10_000,
            mildTokens: 500,
            waitMs: 1_000,
          },
          onWorkerLoss: 'fail',
          durability: 'redis',
          targets: [
            { provider: 'openai', model: 'gpt-5-mini', weight: 80, order: 1 },
            { provider: 'local', model: 'qwen3', weight: 20, order: 1 },
          ],
        },
      ],
      modelDefaults: {},
      general: {
        directTargets: true,
        dropUnsupportedParams: false,
        includeCost: false,
        maxWaitMs: 180_000,
        agingMs: { standard: 60_000, batch: 600_000 },
      },
      webhooks: {
        allowHttp: false,
        allowPrivate: false,
        ports: [443, 8443],
        scheduleMs: [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400].map((s) => s * 1000),
        timeoutMs: 15_000,
        disableAfterMs: 432_000_000,
        parallel: 4,
        keptDeliveries: 10_000,
      },
    })
  })

  test('is frozen to the last leaf', () => {
    const config = mustLoad(specified, { environment })

    expect(() => Object.assign(config.server, { port: 1 })).toThrow(TypeError)
    expect(() => Object.assign(config.models[0]!.targets[0]!, { weight: 0 })).toThrow(TypeError)
  })

  test('may be empty, or have sections with nothing in them', () => {
    expect(mustLoad('').server.port).toBe(8080)
    const origins =
      'server: { websocket: { allowed_origins: [ "https://App.example.com:8443", "null", "*" ] } }'
    const { allowedOrigins } = mustLoad(origins).server.websocket
    expect(allowedOrigins).toEqual(['https://app.example.com:8443', 'null', '*'])
    expect(mustLoad('server:\nkeys:\nproviders:\nmodels:\n').providers.map(({ name }) => name)).toEqual([
      'sim',
    ])
  })

  test('can define the simulator itself', () => {
    const { providers } = mustLoad('providers: { sim: { type: simulator, concurrency: 2 } }')

    expect(providers.map(({ name, concurrency }) => [name, concurrency])).toEqual([['sim', 2]])
  })

  test('can use anchors, and a target may name the simulator', () => {
    const yaml = `
providers:
  one: { type: openai-compatible, base_url: "http://127.0.0.1:1/", timeouts: &slow { idle_ms: 7 } }
  two: { type: openai-compatible, base_url: "http://127.0.0.1:2/v1", timeouts: *slow }
models: [ { name: any, targets: [ { provider: sim, model: echo } ] } ]
`
    const { providers, models } = mustLoad(yaml)

    expect(providers.find(({ name }) => name === 'two')?.timeouts.idleMs).toBe(7)
    expect(providers.find(({ name }) => name === 'one')?.baseUrl).toBe('http://127.0.0.1:1')
    expect(models[0]?.targets).toEqual([{ provider: 'sim', model: 'echo', weight: 1, order: 1 }])
  })

  test('the example in the repository loads', () => {
    const example = readFileSync(new URL('../../millrace.example.yaml', import.meta.url), 'utf8')
    const keys = { TEAM_A_KEY: 'a'.repeat(20), NIGHTLY_KEY: 'b'.repeat(20), OPENAI_SPARE_KEY: 'sk-2' }

    const config = mustLoad(example, { environment: { ...environment, ...keys } })

    expect(config.models.map(({ name }) => name)).toEqual(['corporate'])
    expect(config.redis.url).toBeUndefined()
  })
})

describe('the file is found', () => {
  test('at the path that was given, before MILLRACE_CONFIG, before millrace.yaml', () => {
    const workingDirectory = makeDirectory('server: { port: 1 }')
    mkdirSync(join(workingDirectory, 'etc'))
    writeFileSync(join(workingDirectory, 'etc/two.yaml'), 'server: { port: 2 }')
    writeFileSync(join(workingDirectory, 'etc/three.yaml'), 'server: { port: 3 }')
    const named = { MILLRACE_CONFIG: 'etc/two.yaml' }

    const port = (options: Parameters<typeof mustLoad>[1]) =>
      mustLoad(undefined, { workingDirectory, ...options }).server.port
    expect(port({})).toBe(1)
    expect(port({ environment: named })).toBe(2)
    expect(port({ environment: named, path: join(workingDirectory, 'etc/three.yaml') })).toBe(3)
  })

  test('or its absence is reported when it was named', () => {
    expect(problemsOf(undefined, { path: 'nowhere.yaml' })).toEqual(['nowhere.yaml: there is no such file'])
  })

  test('and the result says which one it was', () => {
    expect(load('')).toMatchObject({ ok: true, source: 'millrace.yaml' })
    expect(load(undefined)).toMatchObject({ ok: true, source: undefined })
  })
})

describe('the environment', () => {
  test('alone makes providers of the keys it holds, and the simulator is there without any', () => {
    const found = mustLoad(undefined, {
      environment: {
        OPENAI_API_KEY: 'sk-1',
        OPENAI_BASE_URL: 'http://127.0.0.1:9/v1',
        ANTHROPIC_API_KEY: '',
      },
    })

    expect(found.providers.map(({ name, type, baseUrl, keys }) => ({ name, type, baseUrl, keys }))).toEqual([
      { name: 'sim', type: 'simulator', baseUrl: undefined, keys: [] },
      {
        name: 'openai',
        type: 'openai',
        baseUrl: 'http://127.0.0.1:9/v1',
        keys: [{ name: 'environment', value: 'sk-1', weight: 1 }],
      },
    ])
    expect(mustLoad(undefined).providers.map(({ name }) => name)).toEqual(['sim'])
  })

  test('gives a key to a provider of the file that has none', () => {
    const { providers } = mustLoad('providers: { main: { type: openai } }', {
      environment: { OPENAI_API_KEY: 'sk-1', ANTHROPIC_API_KEY: 'sk-2' },
    })

    expect(providers.map(({ name }) => name)).toEqual(['sim', 'main'])
    expect(providers[1]?.keys).toEqual([{ name: 'environment', value: 'sk-1', weight: 1 }])
  })

  test('beats the file, and the command line beats both', () => {
    const yaml = 'server: { host: localhost, port: 1 }\nredis: { url: "redis://127.0.0.1:1" }\ndata_dir: /one'
    const variables = {
      HOST: '127.0.0.2',
      PORT: '2',
      REDIS_URL: 'redis://127.0.0.1:2',
      MILLRACE_DATA_DIR: '/two',
    }

    const fromEnvironment = mustLoad(yaml, { environment: variables })
    expect(fromEnvironment).toMatchObject({
      server: { host: '127.0.0.2', port: 2 },
      redis: { url: 'redis://127.0.0.1:2' },
      dataDir: '/two',
      storage: { driver: 'directory', path: '/two/archive' },
    })
    const fromCommandLine = mustLoad(yaml, { environment: variables, overrides: { port: '3', host: '::1' } })
    expect(fromCommandLine.server).toMatchObject({ host: '::1', port: 3 })
  })

  test('makes up for a variable that the file names and nobody has set, where it beats the file', () => {
    const yaml = 'redis: { url: "${MY_REDIS}" }'

    expect(problemsOf(yaml)).toHaveLength(1)
    expect(mustLoad(yaml, { overrides: { redisUrl: 'redis://127.0.0.1:1' } }).redis.url).toBe(
      'redis://127.0.0.1:1',
    )
  })

  test('does not give an address to a provider whose own could not be read', () => {
    const yaml = 'providers: { main: { type: openai, base_url: "${MY_URL}" } }'
    const variables = { OPENAI_API_KEY: 'sk-1', OPENAI_BASE_URL: 'http://127.0.0.1:1' }

    expect(problemsOf(yaml, { environment: variables })).toEqual([
      'millrace.yaml:1:46: providers.main.base_url: the environment variable MY_URL is not set',
    ])
  })

  test('is read inside longer texts, with defaults, for numbers, and as os.environ/NAME', () => {
    const yaml = `
server: { port: "\${APP_PORT}", sync_wait_ms: "\${WAIT:-7}" }
storage: { driver: s3, bucket: "answers-\${STAGE}", prefix: "\${PREFIX:-}", force_path_style: "\${STYLE:-true}", endpoint: "\${NONE:-}" }
redis: { url: os.environ/MY_REDIS }
`
    const variables = { APP_PORT: '90', STAGE: 'test', MY_REDIS: 'redis://127.0.0.1:6379' }

    const config = mustLoad(yaml, { environment: variables })

    expect(config.server).toMatchObject({ port: 90, syncWaitMs: 7 })
    expect(config.storage).toMatchObject({ bucket: 'answers-test', prefix: '', forcePathStyle: true })
    expect(config.storage).not.toHaveProperty('endpoint')
    expect(config.redis.url).toBe('redis://127.0.0.1:6379')
  })
})
