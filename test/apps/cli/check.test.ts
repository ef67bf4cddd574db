import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'

const main = fileURLToPath(new URL('../../../apps/cli/main.ts', import.meta.url))
const example = fileURLToPath(new URL('../../../millrace.example.yaml', import.meta.url))

interface Outcome {
  code: number
  stdout: string
  stderr: string
}

function millrace(args: string[], environment: Record<string, string> = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { env: environment }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr })
    })
  })
}

function makeFile(yaml: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-check-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'millrace.yaml')
  writeFileSync(path, yaml)
  return path
}

test('a valid file is counted up, and the exit code is 0', async () => {
  const outcome = await millrace(['check', example], {
    TEAM_A_KEY: 'a'.repeat(20),
    NIGHTLY_KEY: 'b'.repeat(20),
    OPENAI_API_KEY: 'sk-1',
    OPENAI_SPARE_KEY: 'sk-2',
  })

  const stdout = `${example} is valid: 2 providers, 1 model, 2 keys\n`
  expect(outcome).toEqual({ code: 0, stdout, stderr: '' })
})

test('problems go to standard error with their places, and the exit code is 1', async () => {
  const path = makeFile('server: { prot: 1 }\nkeys: [ { key: "${TEAM_KEY}", tenant: a } ]\n')

  const { code, stdout, stderr } = await millrace(['check', path])

  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain(`${path}:1:11: server.prot: unknown key; did you mean "port"?`)
  expect(stderr).toContain(`${path}:2:16: keys[0].key: the environment variable TEAM_KEY is not set`)
  expect(stderr).toContain('2 problems found.')
})

test('a warning leaves the file valid', async () => {
  const { code, stdout, stderr } = await millrace(['check', makeFile('keys: [ { key: short } ]')])

  expect(code).toBe(0)
  expect(stdout).toMatch(/is valid: 0 providers, 0 models, 1 key\n$/)
  expect(stderr).toMatch(/^Warning: .*millrace\.yaml:1:16: keys\[0\]\.key: has fewer than 16 characters/)
})

test('a file that is not there is a problem like any other', async () => {
  const { code, stderr } = await millrace(['check', '/nowhere.yaml'])

  expect(code).toBe(1)
  expect(stderr).toMatch(/^\/nowhere\.yaml: there is no such file/)
})

test('help and version go to standard output', async () => {
  const [help, commandHelp, version] = await Promise.all([
    millrace(['--help']),
    millrace(['check', '--help']),
    millrace(['--version']),
  ])

  expect(help).toMatchObject({ code: 0, stderr: '' })
  expect(help.stdout).toMatch(/Usage: millrace COMMAND[^]*check /)
  expect(commandHelp.stdout).toMatch(/^Usage: millrace check \[FILE\]/)
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
})

test('a wrong call is refused with exit code 2 and a hint', async () => {
  const [command, option, nothing] = await Promise.all([
    millrace(['chekc']),
    millrace(['check', '--fast']),
    millrace([]),
  ])

  expect(command).toMatchObject({ code: 2, stdout: '' })
  expect(command.stderr).toContain('There is no command "chekc". Did you mean "check"?')
  expect(option.code).toBe(2)
  expect(option.stderr).toContain("Unknown option '--fast'")
  expect(nothing).toMatchObject({ code: 2, stdout: '' })
})

describe('a LiteLLM file', () => {
  const litellm = `model_list:
  - model_name: m
    litellm_params: { model: openai/gpt, api_key: os.environ/KEY, mock_timeout: true }
general_settings:
  master_key: sk-0123456789abcdef
`
  const refused = `${litellm}  custom_auth: a.b\n`
  const environment = { KEY: 'sk-1' }

  test('is told setting by setting, in classes, with counts', async () => {
    const { code, stdout, stderr } = await millrace(['check', makeFile(litellm)], environment)

    expect(code).toBe(0)
    expect(stdout).toMatch(
      /IGNORED \(1\): [^\n]*\n {2}\S+millrace\.yaml:3 {2}model_list\[0\]\.\S+mock_timeout {2}nothing/,
    )
    expect(stdout).toContain('4 honoured, 0 mapped, 1 ignored, 0 refused')
    expect(stdout).toMatch(/is valid: 1 provider, 1 model, 1 key\n$/)
    expect(stderr).toMatch(/settings without effect here: model_list\[\]\.litellm_params\.mock_timeout/)
  })

  test('with a setting that is refused is not valid, unless that is accepted', async () => {
    const path = makeFile(refused)
    const accept = ['--accept-unsupported', 'general_settings.custom_auth']

    const [without, accepted] = await Promise.all([
      millrace(['check', path], environment),
      millrace(['check', path, ...accept], environment),
    ])

    expect(without.code).toBe(1)
    expect(without.stderr).toContain(`${path}:6:3: general_settings.custom_auth: this release runs no Python`)
    expect(accepted.code).toBe(0)
  })

  test('is told to programs as JSON, as problems of our own files are', async () => {
    const [theirs, ours] = await Promise.all([
      millrace(['check', makeFile(refused), '--json'], environment),
      millrace(['check', makeFile('server: { prot: 1 }'), '--json']),
    ])

    expect(theirs.code).toBe(1)
    expect(JSON.parse(theirs.stdout)).toMatchObject({
      ok: false,
      format: 'litellm',
      problems: [{ line: 6, column: 3 }],
      findings: expect.arrayContaining([
        expect.objectContaining({
          class: 'REFUSED',
          setting: 'general_settings.custom_auth',
          line: 6,
          stopsStart: true,
        }),
      ]),
    })
    expect(JSON.parse(ours.stdout)).toMatchObject({ ok: false, format: 'millrace', problems: [{ line: 1 }] })
  })

  test('is imported to a file of our own, which is never overwritten', async () => {
    const path = makeFile(litellm)
    const out = `${path}.native`

    const first = await millrace(['import', path, '-o', out], environment)
    const second = await millrace(['import', path, '-o', out], environment)
    const checked = await millrace(['check', out], environment)

    expect(first).toMatchObject({ code: 0, stdout: '' })
    expect(second).toMatchObject({
      code: 1,
      stderr: `${out} is there already; name another file, or remove it.\n`,
    })
    expect(checked).toMatchObject({ code: 0, stdout: `${out} is valid: 1 provider, 1 model, 1 key\n` })
  })

  test('that is none, or lacks something that protects, gives exit code 1', async () => {
    const [native, protects] = await Promise.all([
      millrace(['import', example]),
      millrace(['import', makeFile(refused)], environment),
    ])

    expect(native).toMatchObject({ code: 1, stdout: '' })
    expect(native.stderr).toContain('the file has none of the sections of LiteLLM, such as model_list')
    expect(protects.code).toBe(1)
    expect(protects.stdout).toContain('models:')
    expect(protects.stderr).toContain('Left out, and less safe without')
  })
})
