import type { ConfigurableProvider } from '../config.ts'
import { isTree } from '../environment.ts'
import type { Environment, Tree } from '../environment.ts'
import { formatPath, showPath } from '../problems.ts'
import type { Path, Place, Problem } from '../problems.ts'
import { readGroups } from './deployments/deployments.ts'
import { createImportContext } from './import-context.ts'
import type { ImportContext, SettingFinding, Verdict } from './import-context.ts'
import { readLitellmFile } from './litellm-file.ts'
import type { LitellmFile } from './litellm-file.ts'
import { readModels } from './deployments/models.ts'
import { createProviderCollection } from './deployments/providers.ts'
import { readReliability } from './settings/reliability.ts'
import { readSections } from './settings/sections.ts'

/** What becomes of one setting of a LiteLLM file. Never holds a secret. */
export interface Compatibility {
  readonly verdict: Verdict
  /** `router_settings.num_retries` */
  readonly setting: string
  readonly message: string
  readonly source: string
  readonly place?: Place | undefined
  /** Whether the gateway does not start with it. */
  readonly stopsStart: boolean
  /** Whether the gateway can be told to start without it. */
  readonly canBeAccepted: boolean
  /** The environment variable that it names and nobody has set. */
  readonly unset?: string | undefined
}

/** A LiteLLM file in our own words. */
export interface LitellmImport {
  /** As if it had been read from a file of ours. */
  readonly tree: Tree
  /** In the order of the file. */
  readonly compatibility: readonly Compatibility[]
  /** What is wrong with the file itself. */
  readonly problems: readonly Problem[]
  /** Where a native setting comes from. */
  locate(path: Path, atKey: boolean): { source: string; place?: Place | undefined }
  /** What was found about what a native setting was made of. */
  about(native: string): readonly Compatibility[]
}

export interface LitellmOptions {
  environment: Environment
  providerSpecs: readonly ConfigurableProvider[]
  /** What the path of the source starts from. */
  directory: string
  /** Settings to start without, though they are refused: `general_settings.custom_auth`. */
  accepted: readonly string[]
  /** Write references to variables that are not set too. */
  keepUnset: boolean
}

/** Says it in our words, and says of each key what became of it. */
export function importLitellm(source: string, text: string, options: LitellmOptions): LitellmImport {
  const file = readLitellmFile(source, text, options.directory)
  const context = createImportContext(file.tree, options)
  const tree = toNativeTree(context)
  const toCompatibility = (finding: SettingFinding): Compatibility => {
    const { verdict, path, message, stopsStart, unset } = finding
    const isAccepted =
      isSetting(path) && options.accepted.some((accepted) => covers(accepted, formatPath(path)))
    const { source: from, place } = file.locate(path, true)
    return {
      verdict,
      setting: showPath(path),
      message,
      source: from,
      place,
      stopsStart: stopsStart && !isAccepted,
      canBeAccepted: stopsStart && isSetting(path),
      unset,
    }
  }
  const replaced = file.replaced.map(toReplaced)
  return {
    tree,
    compatibility: [...context.findings.map(toCompatibility), ...replaced].toSorted(byPlace),
    problems: file.problems,
    locate(path, atKey) {
      for (let length = path.length; length > 0; length--) {
        const origin = context.origins.get(formatPath(path.slice(0, length)))
        if (origin !== undefined) return file.locate(origin, atKey)
      }
      return { source }
    },
    about(native) {
      const origin = context.origins.get(native)
      if (origin === undefined) return []
      return context.findings.filter(({ path }) => isWithin(path, origin)).map(toCompatibility)
    },
  }
}

function toNativeTree(context: ImportContext): Tree {
  const providers = createProviderCollection(context)
  const reliability = readReliability(context)
  const groups = readGroups(context, { providers, keepsLimits: reliability.keepsLimits })
  const models = readModels(context, groups, reliability)
  const sections = readSections(context)
  const tree: Tree = {
    ...sections,
    ...(Object.keys(reliability.defaults).length > 0 && { model_defaults: reliability.defaults }),
    // LiteLLM serves the names in its list, and no other models of its providers; and its clients are to stay.
    general: { ...(isTree(sections.general) && sections.general), direct_targets: false, compat: 'litellm' },
    providers: providers.toTree(reliability.timeouts),
    models,
  }
  if (models.every((model) => model.targets === undefined)) {
    const message = 'no entry can be called, so there is nothing to serve'
    context.report('refused', ['model_list'], message)
  }
  return tree
}

function toReplaced({ path, location, by }: LitellmFile['replaced'][number]): Compatibility {
  const what = path.length === 1 ? '' : 'duplicate key: '
  const message = `${what}the same key in ${by} counts, as in LiteLLM`
  return {
    verdict: 'ignored',
    setting: showPath(path),
    message,
    ...location,
    stopsStart: false,
    canBeAccepted: false,
  }
}

const structure = new Set(
  'model_list litellm_params model_name master_key router_settings litellm_settings general_settings'.split(
    ' ',
  ),
)

/** Whether it can be left out: what makes a file a configuration cannot. */
function isSetting(path: Path): boolean {
  return !structure.has(String(path.at(-1)))
}

/** `model_list.litellm_params.max_budget` stands for that of every entry. */
function covers(accepted: string, setting: string): boolean {
  return accepted === setting || accepted === setting.replaceAll(/\[\d+\]/g, '')
}

function isWithin(path: Path, origin: Path): boolean {
  return origin.every((step, index) => path[index] === step)
}

function byPlace(left: Compatibility, right: Compatibility): number {
  if (left.source !== right.source) return left.source < right.source ? -1 : 1
  return (left.place?.line ?? 0) - (right.place?.line ?? 0)
}
