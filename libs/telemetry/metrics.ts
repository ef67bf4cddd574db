import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

import { metricList, type MetricDefinition } from './metric-list.ts'

type MetricName = keyof typeof metricList
type Definition<Name extends MetricName> = (typeof metricList)[Name]
type Labels<Name extends MetricName> = Record<Definition<Name>['labels'][number], string>

interface Series {
  counter: { inc(by?: number): void }
  gauge: { set(value: number): void; inc(by?: number): void; dec(by?: number): void }
  histogram: { observe(value: number): void }
}

/**
 * Finds one time series. Series are kept, so a repeated call costs one map lookup; on a hot path call it once
 * and hold on to what it returns.
 */
type Metric<Name extends MetricName> = (labels: Labels<Name>) => Series[Definition<Name>['type']]

/** A function for each metric of the list, from labels to the series to count on. Labels are checked by type. */
export type Metrics = { readonly [Name in MetricName]: Metric<Name> } & {
  /** Runs before every scrape, for gauges that are read rather than counted. */
  beforeScrape(collect: () => void | Promise<void>): void
  /** The exposition text. It never fails: a collector that throws is counted and its gauges stay as they were. */
  render(): Promise<string>
  readonly contentType: string
}

/** What bounds the label values that clients could make up. */
export interface MetricsOptions {
  /** The names that may become label values. Others are counted as `other`: clients must not create series. */
  tenants?: ReadonlySet<string>
  models?: ReadonlySet<string>
}

/** One process's metrics, in a registry of their own. */
export function createMetrics({ tenants = new Set(), models = new Set() }: MetricsOptions = {}): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const bounded = new Map([
    ['tenant', tenants],
    ['model', models],
  ])

  const byName = mapMetricList((definition) =>
    memoize(definition.labels, bounded, seriesOf(registry, definition)),
  )

  const collectors: (() => void | Promise<void>)[] = []
  const collectErrors = byName.collectErrors({})

  async function render(): Promise<string> {
    const results = await Promise.allSettled(collectors.map(async (collect) => collect()))
    collectErrors.inc(results.filter((result) => result.status === 'rejected').length)
    return registry.metrics()
  }

  return {
    ...byName,
    beforeScrape: (collect) => void collectors.push(collect),
    render,
    contentType: registry.contentType,
  }
}

/** TypeScript cannot follow a mapped type through `Object.entries`; this is the one place that knows better. */
function mapMetricList(create: (definition: MetricDefinition) => unknown): {
  [Name in MetricName]: Metric<Name>
} {
  const entries = Object.entries(metricList).map(([name, definition]) => [name, create(definition)])
  return Object.fromEntries(entries) as { [Name in MetricName]: Metric<Name> }
}

type AnySeries = Series[keyof Series]

function seriesOf(registry: Registry, definition: MetricDefinition): (labels: object) => AnySeries {
  const { name, help } = definition
  const options = { name, help, labelNames: [...definition.labels], registers: [registry] }
  switch (definition.type) {
    case 'counter': {
      const counter = new Counter(options)
      return (labels) => counter.labels(labels)
    }
    case 'gauge': {
      const gauge = new Gauge(options)
      return (labels) => gauge.labels(labels)
    }
    case 'histogram': {
      const histogram = new Histogram({ ...options, buckets: [...(definition.buckets ?? [])] })
      return (labels) => histogram.labels(labels)
    }
  }
}

// prom-client's own labels() validates, copies and builds closures at every call.
function memoize(
  labelNames: readonly string[],
  bounded: ReadonlyMap<string, ReadonlySet<string>>,
  create: (labels: object) => AnySeries,
): (labels: Record<string, string>) => AnySeries {
  const cache = new Map<string, AnySeries>()
  return (labels) => {
    const values = labelNames.map((label) => {
      const value = labels[label] ?? ''
      return bounded.get(label)?.has(value) === false ? 'other' : value
    })
    const key = values.join('\u0000')
    let series = cache.get(key)
    if (!series) {
      series = create(Object.fromEntries(labelNames.map((label, index) => [label, values[index]])))
      cache.set(key, series)
    }
    return series
  }
}
