import { readFile } from 'node:fs/promises'

import { describe, expect, it } from 'vitest'

import { createMetrics, metricList } from '#libs/telemetry'

const definitions = Object.values(metricList)
const units = /_(seconds|bytes|total|runs|depth|subscribers|state|connections|refused|headroom|batches)$/

describe('the list of metrics', () => {
  it('follows the naming rules of Prometheus', () => {
    for (const { name, type, help } of definitions) {
      expect(name).toMatch(/^millrace_[a-z][a-z_]*$/)
      expect(name).toMatch(units)
      expect(name.endsWith('_total'), name).toBe(type === 'counter')
      expect(type === 'histogram' ? name.endsWith('_seconds') : true, name).toBe(true)
      expect(help).toMatch(/^[A-Z].*\.$/)
    }
    expect(new Set(definitions.map(({ name }) => name)).size).toBe(definitions.length)
  })

  it('is what the registry serves', async () => {
    const text = await createMetrics().render()
    const served = [...text.matchAll(/^# TYPE (millrace_\w+) (\w+)$/gm)].map(([, name, type]) => [name, type])
    expect(served).toEqual(definitions.map(({ name, type }) => [name, type]))
    expect(text).toContain('nodejs_eventloop_lag_seconds')
    expect(text).toContain('process_resident_memory_bytes')
  })

  it('is what docs/metrics.md lists', async () => {
    const page = await readFile(new URL('../../docs/metrics.md', import.meta.url), 'utf8')
    const rows = [...page.matchAll(/^\| `(millrace_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$/gm)]
    expect(rows.map((row) => row.slice(1))).toEqual(
      definitions.map(({ name, type, labels, help }) => [
        name,
        type,
        labels.map((label) => `\`${label}\``).join(', ') || '–',
        help,
      ]),
    )
    const mentioned = new Set([...page.matchAll(/millrace_[a-z_]+/g)].map(([name]) => name))
    expect([...mentioned].sort()).toEqual(definitions.map(({ name }) => name).sort())
  })
})

describe('metrics', () => {
  it('count into the same series however often it is looked up', async () => {
    const metrics = createMetrics()
    metrics.providerErrors({ provider: 'east', code: 'upstream_timeout' }).inc()
    metrics.providerErrors({ code: 'upstream_timeout', provider: 'east' }).inc(2)
    metrics.queueWait({ provider: 'east', lane: 'batch' }).observe(0.02)
    const text = await metrics.render()
    expect(text).toContain('millrace_provider_errors_total{provider="east",code="upstream_timeout"} 3')
    expect(text).toContain('millrace_queue_wait_seconds_bucket{le="0.025",provider="east",lane="batch"} 1')
  })

  it('let no client create a series: unknown tenants and models are counted as other', async () => {
    const metrics = createMetrics({ tenants: new Set(['acme']), models: new Set(['small']) })
    for (const model of ['small', 'made-up-1', 'made-up-2'])
      metrics.tokens({ provider: 'east', model, kind: 'input' }).inc(5)
    for (const tenant of ['acme', 'stranger'])
      metrics.requests({ endpoint: '/v1/models', tenant, status: '2xx', outcome: 'done' }).inc()
    const text = await metrics.render()
    expect(text).toContain('model="small",kind="input"} 5')
    expect(text).toContain('model="other",kind="input"} 10')
    expect(text).toMatch(/tenant="acme".*} 1/)
    expect(text).not.toMatch(/made-up|stranger/)
  })

  it('read gauges at the scrape, and survive a collector that fails', async () => {
    const metrics = createMetrics()
    const depth = metrics.queueDepth({ provider: 'east' })
    let waiting = 0
    metrics.beforeScrape(() => depth.set(++waiting))
    metrics.beforeScrape(async () => Promise.reject(new Error('Redis is away')))
    await metrics.render()
    const text = await metrics.render()
    expect(text).toContain('millrace_queue_depth{provider="east"} 2')
    expect(text).toContain('millrace_collect_errors_total 2')
  })

  it('of two processes in one test do not meet', async () => {
    const [one, other] = [createMetrics(), createMetrics()]
    one.streamResumes({}).inc()
    expect(await one.render()).toContain('millrace_stream_resumes_total 1')
    expect(await other.render()).toContain('millrace_stream_resumes_total 0')
  })
})
