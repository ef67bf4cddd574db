import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A server program of this machine that was seen to start: `command` with `args` and the server's own arguments. */
export interface RedisServerProgram {
  kind: 'redis' | 'valkey'
  command: string
  args: string[]
}

type Log = (message: string) => void

/** Streams and scripts work as BullMQ expects from this version on. */
const oldestVersion = [6, 2]

const aptTimeoutMs = 30_000
const retryAfterMs = 3_600_000

/**
 * Looks on the PATH, then in the user's cache folder, which is filled from the packages of Debian or Ubuntu when it
 * is empty. Undefined when this machine has no server and cannot get one.
 */
export async function findRedisServer(log: Log): Promise<RedisServerProgram | undefined> {
  const cache = join(homedir(), '.cache', 'millrace')
  const unpacked = join(cache, `redis-server-${process.arch}`)
  const launcher = join(unpacked, 'redis-server')
  return (
    (await probe('redis-server')) ??
    (await probe('valkey-server')) ??
    (await probe(launcher)) ??
    ((await unpackPackages({ cache, unpacked, log })) ? await probe(launcher) : undefined)
  )
}

/** The program in the form in which it will be started, if it starts and is new enough. */
async function probe(program: string): Promise<RedisServerProgram | undefined> {
  // Where Linux's setpriv is, the kernel ends the server when its parent dies, be it by SIGKILL.
  const forms = [['setpriv', '--pdeathsig', 'TERM', program], [program]] as const
  for (const [command, ...args] of forms) {
    const version = await run(command, [...args, '--version']).then(
      ({ stdout }) => /^(Redis|Valkey) server v=(\d+)\.(\d+)/.exec(stdout),
      () => null,
    )
    if (version === null) continue
    const [major, minor] = [Number(version[2]), Number(version[3])]
    const [oldestMajor = 0, oldestMinor = 0] = oldestVersion
    if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) return undefined
    return { kind: version[1] === 'Valkey' ? 'valkey' : 'redis', command, args }
  }
  return undefined
}

interface UnpackOptions {
  cache: string
  unpacked: string
  log: Log
}

/**
 * Downloads the distribution's redis-server and the libraries that are missing here, and unpacks them without root:
 * apt works in folders of its own and still checks signatures. Other processes may be doing the same; whoever renames
 * first wins. A failure is remembered for an hour, so that a machine without network does not wait at each start.
 */
async function unpackPackages({ cache, unpacked, log }: UnpackOptions): Promise<boolean> {
  const failed = `${unpacked}.failed`
  if (await isYoung(failed)) return false
  try {
    await run('apt-get', ['--version'])
  } catch {
    return false
  }
  log('No redis-server here: fetching the packages of this distribution (once, without root).')
  try {
    await mkdir(cache, { recursive: true })
    const work = await mkdtemp(join(cache, 'unpack-'))
    try {
      await downloadPackages(work, log)
      await rm(unpacked, { recursive: true, force: true })
      await rename(join(work, 'root'), unpacked)
    } finally {
      await rm(work, { recursive: true, force: true })
    }
    return true
  } catch (error) {
    // The winner of a race has put the same files there.
    if (await probe(join(unpacked, 'redis-server'))) return true
    log(`That did not work, and is tried again in an hour: ${lastLine(error)}`)
    await writeFile(failed, lastLine(error)).catch(() => undefined)
    return false
  }
}

async function downloadPackages(work: string, log: Log): Promise<void> {
  const archives = join(work, 'cache', 'archives')
  await mkdir(join(work, 'state', 'lists', 'partial'), { recursive: true })
  await mkdir(join(archives, 'partial'), { recursive: true })
  const settings = [
    `Dir::State=${join(work, 'state')}`,
    'Dir::State::status=/var/lib/dpkg/status',
    `Dir::Cache=${join(work, 'cache')}`,
    'Debug::NoLocking=1',
    'APT::Sandbox::User=',
    'APT::Update::Post-Invoke=',
    'Acquire::Languages=none',
    'Acquire::Retries=0',
    'Acquire::http::Timeout=10',
    'Acquire::https::Timeout=10',
  ]
  const options = ['-q', ...settings.flatMap((setting) => ['-o', setting])]
  const limits = { timeout: aptTimeoutMs, maxBuffer: 16 * 1024 * 1024 }
  // One source of many may fail without harm: whether the package was found is what counts.
  await run('apt-get', [...options, 'update'], limits).catch((error: unknown) =>
    log(`apt-get update: ${lastLine(error)}`),
  )
  const install = ['install', '--yes', '--download-only', '--no-install-recommends', 'redis-server']
  await run('apt-get', [...options, ...install], limits)

  const root = join(work, 'root')
  for (const name of await readdir(archives)) {
    if (name.endsWith('.deb')) await run('dpkg-deb', ['-x', join(archives, name), root])
  }
  await writeFile(join(root, 'redis-server'), launcherScript, { mode: 0o755 })
}

/** Finds the libraries beside itself, so whoever starts the server need not know about them. */
const launcherScript = `#!/bin/sh
here=$(dirname "$0")
export LD_LIBRARY_PATH="$(echo "$here"/usr/lib/*-linux-gnu* "$here"/lib/*-linux-gnu* | tr ' ' ':')"
exec "$here/usr/bin/redis-server" "$@"
`

async function isYoung(path: string): Promise<boolean> {
  return stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs < retryAfterMs,
    () => false,
  )
}

function lastLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.trim().split('\n').at(-1) ?? text
}
