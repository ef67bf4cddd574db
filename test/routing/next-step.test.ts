import { expect, test } from 'vitest'
import { nextStep, targetName } from '#libs/routing'

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((provider) => ({ provider, model: 'm' })) as [
  Target,
  Target,
  Target,
  Target,
]
interface Target {
  provider: string
  model: string
}
const tiers = [[a, b], [c], [d]]
const at = { nowMs: 1_000, waitLimitMs: 5_000 }
const found = (left: Target[], limited: [Target, number][] = []) => ({
  left: left.map(targetName),
  limitedUntilMs: Object.fromEntries(limited.map(([target, untilMs]) => [targetName(target), untilMs])),
})

test('the first is called that is not given up', () => {
  expect(nextStep(tiers, found([]), at)).toEqual({ status: 'call', candidate: a })
  expect(nextStep(tiers, found([a]), at)).toEqual({ status: 'call', candidate: b })
  expect(nextStep(tiers, found([a, b]), at)).toEqual({ status: 'call', candidate: c })
  expect(nextStep(tiers, found([a, b, c, d]), at)).toEqual({ status: 'none' })
})

test('who is free in a tier goes before who is not, and a limit that is over is none', () => {
  expect(nextStep(tiers, found([], [[a, 2_000]]), at)).toEqual({ status: 'call', candidate: b })
  expect(nextStep(tiers, found([b], [[a, 1_000]]), at)).toEqual({ status: 'call', candidate: a })
})

test('waiting for the first of a tier to be free goes before the next tier', () => {
  const findings = found(
    [],
    [
      [a, 3_000],
      [b, 2_000],
    ],
  )
  expect(nextStep(tiers, findings, at)).toEqual({ status: 'wait', candidate: b, untilMs: 2_000 })
})

test('the next tier goes before waiting for too long', () => {
  const findings = found([b], [[a, 9_000]])
  expect(nextStep(tiers, findings, at)).toEqual({ status: 'call', candidate: c })
})

test('when nobody can take it in time, the soonest is told', () => {
  const findings = found(
    [b, d],
    [
      [a, 9_000],
      [c, 8_000],
    ],
  )
  expect(nextStep(tiers, findings, at)).toEqual({ status: 'none', soonestMs: 8_000 })
})
