import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'

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
