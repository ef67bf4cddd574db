import { GatewayError } from '#libs/core'

const storeWaitMs = 2_000

/**
 * What the store answers, or `overloaded` after two seconds: a client is to be told in time that it must come again,
 * also when the command waited behind others that nobody answered. The work itself goes on.
 */
export async function inTime<Result>(work: Promise<Result>): Promise<Result> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    late.reject(
      new GatewayError('overloaded', 'The gateway cannot reach its store. Send the request again later.', {
        retryAfterMs: storeWaitMs,
      }),
    )
  }, storeWaitMs)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
