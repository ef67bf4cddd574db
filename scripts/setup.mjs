/**
 * What `npm start` and `npm test` run first: afterwards the locked dependencies and a Node that runs TypeScript
 * are there. It runs under any Node from 20 on, before anything is installed, so it is plain JavaScript that
 * imports only Node's own modules. When nothing is missing it only reads two lock files.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..')
const modules = join(root, 'node_modules')
const localNode = join(modules, '.bin', 'node')
const neededNode = [24, 12]
const oldestNode = [20, 0]

const nodeHelp =
  'Install Node 24 from https://nodejs.org (or `nvm install 24`, `fnm install 24`, `brew install node@24`)' +
  ' and run the command again.'

const causes = [
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ERR_SOCKET_TIMEOUT|ENETUNREACH|EHOSTUNREACH/,
    'The package registry did not answer. Check the network, a proxy (`npm config get https-proxy`) and' +
      ' `npm config get registry`, then run the command again; packages that did arrive are cached.',
  ],
  [
    /CERT_|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/,
    'The certificate of the package registry is not trusted. Behind a proxy that opens TLS, point' +
      ' NODE_EXTRA_CA_CERTS at its certificate and run the command again.',
  ],
  [/\bE401\b|\bE403\b/, 'The package registry refused access. Check the login in your ~/.npmrc.'],
  [
    /\bE404\b|ETARGET|ENOTCACHED/,
    'The package registry does not have a locked version. A mirror may lag: try another registry with' +
      ' `npm config set registry`.',
  ],
  [
    /EINTEGRITY/,
    'A package is not the one that was locked. Run `npm cache clean --force` and try again; if it' +
      ' stays, do not use this registry.',
  ],
  [/EUSAGE/, 'package.json and package-lock.json disagree. Run `npm install` and commit the lock file.'],
  [/ENOSPC/, 'The disk is full. The dependencies need about 600 MB.'],
  [/EACCES|EPERM|EROFS/, `The dependencies cannot be written. Give your user write access to ${root}.`],
]

/** Ends the process with a message that says what to do; the stack of a set-up script helps nobody. */
function fail(what, remedy) {
  console.error(`\nmillrace setup: ${what}\n${remedy}`)
  process.exit(1)
}

function isAtLeast([major, minor]) {
  const [ownMajor, ownMinor] = process.versions.node.split('.').map(Number)
  return ownMajor > major || (ownMajor === major && ownMinor >= minor)
}

/** npm leaves its own record of what it installed, and leaves it last: an install that broke off has none. */
function dependenciesAreInstalled() {
  const record = join(modules, '.package-lock.json')
  if (!existsSync(record)) return false
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages
  const locked = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  return Object.entries(locked).every(([path, wanted]) => {
    if (path === '') return true
    const found = installed[path]
    return found ? found.version === wanted.version : Boolean(wanted.optional || wanted.devOptional)
  })
}

function isLink(path) {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false
}

function installDependencies() {
  // `npm ci` empties the folder it finds, and behind a link that is somebody else's.
  if (isLink(modules)) {
    fail(
      'node_modules is a link and what it leads to does not fit package-lock.json.',
      'Remove the link (`rm node_modules`) and run the command again.',
    )
  }
  console.error('Installing dependencies (npm ci, this once)…')
  const startedAt = Date.now()
  // Dev and optional ones are named because NODE_ENV=production or a user's .npmrc would leave them out.
  const include = ['--include=dev', '--include=optional']
  // npm's own patience is 70 seconds, without a word; a registry that is there answers sooner.
  const patience = ['--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000']
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error']
  const args = ['ci', '--ignore-scripts', ...include, ...patience, ...quiet]
  const npm = spawnSync('npm', args, { cwd: root, encoding: 'utf8' })
  if (npm.error) fail(`npm could not be started: ${npm.error.message}`, nodeHelp)
  if (npm.status !== 0) {
    const output = `${npm.stdout}${npm.stderr}`.trim()
    const known = causes.find(([pattern]) => pattern.test(output))
    // What is known is told below; npm's stack traces and usage would only hide it.
    console.error(known ? output.split('\n').slice(0, 4).join('\n') : output)
    fail(`npm ci failed in ${root}.`, known ? known[1] : 'The lines above are what npm said.')
  }
  console.error(`Dependencies installed in ${((Date.now() - startedAt) / 1000).toFixed(1)} s.`)
}

function localNodeRuns() {
  return spawnSync(localNode, ['--version']).status === 0
}

function main() {
  if (!isAtLeast(oldestNode)) fail(`Node ${process.versions.node} is too old to begin with.`, nodeHelp)
  const enough = isAtLeast(neededNode)
  const carried = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)
  if (!enough && !carried) {
    fail(
      `Millrace needs Node ${neededNode.join('.')} or newer; this is ${process.versions.node}, and npm` +
        ` carries a newer one only for Linux on x64 and arm64.`,
      nodeHelp,
    )
  }
  if (dependenciesAreInstalled() && (enough || existsSync(localNode))) return
  installDependencies()

  if (existsSync(localNode) && !localNodeRuns()) {
    // Built for glibc: on a musl system it is first on the PATH of every npm script, and cannot start.
    rmSync(localNode)
  }
  if (!enough && !existsSync(localNode)) {
    fail(
      `Millrace needs Node ${neededNode.join('.')} or newer; this is ${process.versions.node}, and the one` +
        ' that npm carries did not arrive or does not run on this system.',
      nodeHelp,
    )
  }
}

main()
