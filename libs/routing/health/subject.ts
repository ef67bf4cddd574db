import type { TargetId } from './breaker.ts'

/**
 * What has a circuit, as one text: a target (`provider/model`), or behind a tab one of its keys. Behind a tab without a
 * key are the target's limits. A provider's name has no slash, and a key's no tab.
 */
export function nameOf({ provider, model }: TargetId): string {
  return `${provider}/${model}`
}

export function keySubject(name: string, key: string): string {
  return `${name}\t${key}`
}

export function limitsSubject(name: string): string {
  return `${name}\t`
}

/** The parts of a subject; `key` is empty for a target's limits, and undefined for the target itself. */
export function parseSubject(subject: string): TargetId & { key: string | undefined } {
  const slash = subject.indexOf('/')
  const tab = subject.lastIndexOf('\t')
  return {
    provider: subject.slice(0, slash),
    model: subject.slice(slash + 1, tab === -1 ? undefined : tab),
    key: tab === -1 ? undefined : subject.slice(tab + 1),
  }
}
