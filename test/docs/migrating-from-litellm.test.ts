import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const guide = readFileSync(join(root, 'docs/guides/migrating-from-litellm.md'), 'utf8')

function blocks(language: string): string[] {
  return [...guide.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, 'gm'))].map(
    ([, text = '']) => text,
  )
}

/** What a line of the guide calls, in a directory with its file. */
function run(line: string, directory: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const args = line.replace(/^npm run millrace -- /, '').split(' ')
  const env = { OPENAI_API_KEY: 'sk-1', LITELLM_MASTER_KEY: 'sk-0123456789abcdef' }
  return new Promise((done) => {
    execFile(
      process.execPath,
      [join(root, 'apps/cli/main.ts'), ...args],
      { cwd: directory, env },
      (error, stdout, stderr) => {
        done({ code: Number(error?.code ?? 0), stdout, stderr })
      },
    )
  })
}

test('the guide for those who come from LiteLLM works as it is written', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-guide-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, 'litellm.yaml'), blocks('yaml')[0] ?? '')
  const lines = blocks('sh').flatMap((block) => block.trim().split('\n'))
  const commands = lines.filter((line) => line.startsWith('npm run millrace -- '))

  expect(commands).toHaveLength(4)
  for (const line of commands) {
    const { code, stdout, stderr } = await run(line, directory)
    expect(code, `${line}\n${stdout}${stderr}`).toBe(0)
  }
  const { stdout } = await run('npm run millrace -- check millrace.yaml', directory)
  expect(stdout).toMatch(/is valid: \d providers, 2 models, 1 key\n$/)
})
