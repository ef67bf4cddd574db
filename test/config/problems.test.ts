import { formatProblems } from '#config'
import { describe, expect, test } from 'vitest'
import { load, problemsOf } from './support.ts'

function report(yaml: string, environment = {}): string {
  const result = load(yaml, { environment })
  return formatProblems(result.ok ? result.warnings : result.problems)
}

describe('a problem is told with its place', () => {
  test('and the line with a caret under what is meant', () => {
    expect(report('server:\n  prot: 8080\n  host: 7\n')).toBe(
      [
        'millrace.yaml:2:3: server.prot: unknown key; did you mean "port"?',
        '  2 |   prot: ****',
        '    |   ^^^^',
        '',
        'millrace.yaml:3:9: server.host: must be a text; put quotes around it',
        '  3 |   host: 7',
        '    |         ^',
      ].join('\n'),
    )
  })

  test('and all of them come at once, in the order of the file', () => {
    const yaml = `
servr: {}
server: { port: 70000, drain_ms: 1.5 }
keys: [ { key: "\${TEAM_KEY}", tenant: Team } ]
providers:
  main: { type: opnai, concurrency: 0 }
models: [ { name: any, routing: random, targets: [ { provider: mian, model: m, wieght: 1 } ] } ]
`
    expect(problemsOf(yaml)).toEqual([
      'millrace.yaml:2:1: servr: unknown key; did you mean "server"?',
      'millrace.yaml:3:17: server.port: must be at most 65535',
      'millrace.yaml:3:34: server.drain_ms: must be a whole number',
      'millrace.yaml:4:16: keys[0].key: the environment variable TEAM_KEY is not set',
      'millrace.yaml:4:39: keys[0].tenant: must be 1 to 63 of a-z, 0-9, _ and -, and not start with _ or -',
      'millrace.yaml:6:17: providers.main.type: must be one of openai, anthropic, openai-compatible, simulator; did you mean "openai"?',
      'millrace.yaml:6:37: providers.main.concurrency: must be at least 1',
      'millrace.yaml:7:33: models[0].routing: must be one of load-balance, priority, least-busy, lowest-latency, lowest-cost, usage-based, cache-aware',
      'millrace.yaml:7:64: models[0].targets[0].provider: must be one of main, sim; did you mean "main"?',
      'millrace.yaml:7:80: models[0].targets[0].wieght: unknown key; did you mean "weight"?',
    ])
  })

  test.each([
    ['a type that does not fit', 'server: 7', '1:9: server: must be a set of keys'],
    [
      'an origin that is an address',
      'server: { websocket: { allowed_origins: [ "https://app.example.com/" ] } }',
      '1:43: server.websocket.allowed_origins[0]: must be "*" or an origin such as https://app.example.com',
    ],
    ['a list where keys are due', 'models: { a: 1 }', '1:1: models: must be a list'],
    [
      'an empty list of targets',
      'models: [ { name: a, targets: [] } ]',
      '1:22: models[0].targets: must not be empty',
    ],
    ['a setting that is missing', 'models:\n  - name: a', '2:5: models[0].targets: is required'],
    [
      'an unknown storage driver',
      'storage: { driver: S3, bucket: b }',
      '1:20: storage.driver: must be one of directory, s3; did you mean "s3"?',
    ],
    [
      'a storage driver that is missing',
      'storage: { bucket: b }',
      '1:1: storage.driver: is required: one of directory, s3',
    ],
    [
      'half of the credentials',
      'storage: { driver: s3, bucket: b, access_key_id: a }',
      '1:1: storage.secret_access_key: is required: access_key_id and secret_access_key come together',
    ],
    [
      'a provider name that cannot be part of a queue name',
      'providers: { "my provider": { type: simulator } }',
      '1:14: providers.my provider: must be 1 to 63 of a-z, 0-9, _ and -, and not start with _ or -',
    ],
    [
      'an unknown key with none near it',
      'models: [ { name: a, targets: [ { provider: sim, model: m } ], zzzzzz: 1 } ]',
      '1:64: models[0].zzzzzz: unknown key; known here: name, aliases, hidden, unavailable, routing, targets, on_disconnect, on_worker_loss, durability, cache_affinity, hedge, timeouts, deadline_ms, retries, retry_delay_ms, fallbacks, cooldown, breaker',
    ],
    [
      'an address with a password in it',
      'providers: { a: { type: openai-compatible, base_url: "http://me:pw@127.0.0.1" } }',
      '1:54: providers.a.base_url: must be an http:// or https:// address without user, password, query and fragment',
    ],
    [
      'an address of another scheme',
      'providers: { a: { type: openai-compatible, base_url: "file:///etc/passwd" } }',
      '1:54: providers.a.base_url: must be an http:// or https:// address without user, password, query and fragment',
    ],
    [
      'no address where the type has none',
      'providers:\n  a: { type: openai-compatible }',
      '2:3: providers.a.base_url: is required: a provider of type openai-compatible has no address of its own',
    ],
    [
      'no key where the type needs one',
      'providers:\n  a: { type: openai, keys: [] }',
      '2:22: providers.a.keys: is required: add keys: [ { name: main, value: "${OPENAI_API_KEY}" } ], or set the environment variable OPENAI_API_KEY',
    ],
    [
      'weights that are all 0',
      'models: [ { name: a, targets: [ { provider: sim, model: m, weight: 0 } ] } ]',
      '1:22: models[0].targets: every weight is 0, so none would be used; give one a weight of 1 or more',
    ],
    [
      'a model name that differs only in case',
      'models:\n  - { name: a, targets: [ { provider: sim, model: m } ] }\n  - { name: A, targets: [ { provider: sim, model: m } ] }',
      '3:13: models[1].name: is the same as that of models[0]',
    ],
    [
      'a key name that differs only in case',
      'keys: [ { name: One, key: 0123456789abcdef }, { name: one, key: fedcba9876543210 } ]',
      '1:55: keys[1].name: is the same as that of keys[0]',
    ],
    [
      'the same provider key twice',
      'providers: { a: { type: openai, keys: [ { value: sk-1 }, { value: sk-1 } ] } }',
      '1:67: providers.a.keys[1].value: is the same as that of keys[0]',
    ],
    [
      'an address that others can reach, with no keys',
      'server: { host: 0.0.0.0 }',
      '1:17: server.host: other machines could reach this address, and nobody has to show a key; add keys: [ { key: "${MILLRACE_KEY}", tenant: default } ] or bind to 127.0.0.1',
    ],
    [
      'a reference that is not closed',
      'data_dir: "${HOME"',
      '1:11: data_dir: what follows ${ must be NAME} or NAME:-default}',
    ],
  ])('%s', (_, yaml, expected) => {
    expect(problemsOf(yaml)).toEqual([`millrace.yaml:${expected}`])
  })
})

describe('a problem of YAML is told with its place', () => {
  test.each([
    [
      'a key that is there twice',
      'server: {}\nserver: {}',
      '2:1: this key is already set above; keep one of the two',
    ],
    ['a quote that is not closed', 'data_dir: "x', '1:13: YAML: missing closing "quote'],
    ['a tab', 'server:\n\tport: 1', '2:1: YAML: tabs are not allowed as indentation'],
    [
      'an alias of nothing',
      'data_dir: *x',
      '1:11: YAML: no anchor of this name comes before it; put quotes around a text that starts with *',
    ],
    [
      'an alias of itself',
      'server: &x { host: *x }',
      '1:20: YAML: no anchor of this name comes before it; put quotes around a text that starts with *',
    ],
  ])('%s', (_, yaml, expected) => {
    expect(problemsOf(yaml)).toEqual([`millrace.yaml:${expected}`])
  })

  test('a file that is a list', () => {
    expect(problemsOf('- a')).toEqual([
      'millrace.yaml: the file must be a set of keys, such as server: and providers:',
    ])
  })

  test('a key that is there twice does not hide the other problems', () => {
    expect(problemsOf('server: {}\nserver: { prt: 1 }')).toEqual([
      'millrace.yaml:2:1: this key is already set above; keep one of the two',
      'millrace.yaml:2:11: server.prt: unknown key; did you mean "port"?',
    ])
  })
})

describe('what does not come from the file', () => {
  test('is named by its variable', () => {
    expect(problemsOf(undefined, { environment: { PORT: 'http', HOST: '0.0.0.0' } })).toEqual([
      'environment variable PORT: server.port: must be a whole number',
      expect.stringMatching(/^environment variable HOST: server.host: other machines/),
    ])
  })

  test('or by the command line', () => {
    expect(problemsOf('server: { port: 1 }', { overrides: { port: '99999' } })).toEqual([
      'command line: server.port: must be at most 65535',
    ])
  })
})

test('a key that can be guessed is a warning', () => {
  const result = load('keys: [ { key: short, tenant: a }, { key: long-enough-to-hold, tenant: a } ]')

  expect(result).toMatchObject({ ok: true, warnings: [{ place: { line: 1, column: 16 } }] })
})

test('an address that others can reach is fine with keys', () => {
  expect(problemsOf('server: { host: 0.0.0.0 }\nkeys: [ { key: 0123456789abcdef } ]')).toEqual([])
})

describe('no secret is in a message', () => {
  const secret = 'Sup3r-s3cret-value'
  test.each([
    ['of a misspelt key', `keys: [ { key: ${secret}, tenant: a, wieght: 1 } ]`],
    ['under a misspelt key', `keys: [ { kye: ${secret}, tenant: a } ]`],
    ['of a key that is there twice', `keys: [ { key: ${secret} }, { key: ${secret} } ]`],
    ['that is too short', 'keys: [ { key: Sup3r-s3cret } ]'],
    ['with a space in it', `keys: [ { key: "a ${secret}" } ]`],
    [
      'in an address',
      `providers: { a: { type: openai-compatible, base_url: "http://u:${secret}@h?k=${secret}" } }`,
    ],
    ['in the address of Redis', `redis: { url: "http://u:${secret}@h" }`],
    ['in place of a list', `keys: ${secret}`],
    ['in a list of texts', `keys: [ ${secret} ]`],
    ['as a name of a key', `keys: { ${secret}-${secret}: team-a }`],
    ['as a key of a key', `keys: [ { ${secret}-${secret}: team-a } ]`],
    ['after a broken line', `keys:\n  - key "${secret}\n  - key: ${secret}`],
    ['without a colon', `keys:\n  - tenant: a\n    key ${secret}\n`],
    ['as an alias', `keys:\n  - key: *${secret}\n`],
    ['after a bad tag', `keys:\n  - key: !x ${secret}\n`],
    ['as a tag', `keys:\n  - key: !${secret}\n`],
    ['after a bar', `keys:\n  - key: |${secret}\n`],
    ['after a percent sign', `keys:\n  - key: %${secret}\n`],
    ['after an at sign', `keys:\n  - key: @${secret}\n`],
    ['as an anchor', `keys:\n  - { key: &${secret} abc, tenat: a }\n`],
    ['with a bad escape', `keys:\n  - key: "\\${secret}"\n`],
    ['in a comment', `server: { prt: 1 } # was ${secret}`],
    ['in a text of several lines', `keys:\n  - key: |\n      ${secret}\n    tenat: a`],
    ['as a default', `keys:\n  - { key: "\${NONE:-${secret}}", tenat: a }`],
    ['from the environment', 'keys: [ { key: "${SECRET}", tenant: "${SECRET}", priority: "${SECRET}" } ]'],
    ['in place of a provider', `models: [ { name: a, targets: [ { provider: "\${SECRET}", model: m } ] } ]`],
  ])('%s', (_, yaml) => {
    const text = report(yaml, { SECRET: secret })

    expect(text).not.toBe('')
    expect(text).not.toMatch(/s3cret/)
  })
})
