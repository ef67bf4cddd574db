-- A worker takes a run. The claim also marks it dispatched, since the worker holds a key and calls at once: from
-- here on a crash leaves the outcome unknown, and nobody else may call the provider for it. Sent twice under one
-- token, the second gets what the first got.
-- KEYS 1 run, 2 waiting, 3 running, 4 alive, 5 deadlines
-- ARGV 1 rid, 2 milliseconds after which a silent holder is taken for dead, 3 the claimer's token, 4 the provider
--      whose runs the claimer carries, 5 what the keys of its queue begin with
-- Reply: { 'run', epoch, spec, body, home, now, progress, deadline }, the last two nil where there are none |
--        { 'salvage', epoch, spec, home, state, progress }: the holder died after it had dispatched |
--        { 'moved', provider }: the run is that provider's now | { 'held' }: a living worker has it |
--        { 'parked' }: its tenant has as many running as it may | { 'ended' } | { 'unknown' }
-- @include order.lua
-- @include count-running.lua
local run = redis.call('HMGET', KEYS[1], 'state', 'epoch', 'spec', 'home', 'holder', 'claimedAt', 'appendedAt',
  'body', 'provider', 'progress', 'deadline', 'tenant', 'lane', 'tag', 'cost', 'priority', 'mostRunning')
local state = run[1]
if not state then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return { 'unknown' }
end
if state == 'ended' or state == 'persisted' then return { 'ended' } end
if run[9] and run[9] ~= ARGV[4] then return { 'moved', run[9] } end
local deadline = run[11] and tonumber(run[11])
if state == 'dispatched' and run[5] == ARGV[3] then
  return { 'run', tonumber(run[2]), run[3], run[8], run[4], tonumber(run[6]), run[10], deadline }
end
if run[5] == 'salvage ' .. ARGV[3] then return { 'salvage', tonumber(run[2]), run[3], run[4], state, run[10] } end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- By the clock, since a Redis that lost its last writes would else give two claims the same epoch.
local epoch = math.max(run[2] + 1, now)
if state == 'accepted' then
  local tenant = run[12]
  -- Whoever claims it at its deadline is to end it, and not to call.
  local isOverdue = deadline and deadline <= now
  local mostRunning = tonumber(run[17])
  if mostRunning then
    local parked = ARGV[5] .. ':parked:' .. tenant
    local running = ARGV[5] .. ':running:' .. tenant
    if not isOverdue and countRunning(running, KEYS[3], mostRunning) >= mostRunning then
      redis.call('ZADD', parked, run[16] or 0, ARGV[1])
      redis.call('SADD', ARGV[5] .. ':limited', tenant)
      return { 'parked' }
    end
    redis.call('ZREM', parked, ARGV[1])
    redis.call('ZADD', running, now, ARGV[1])
  end
  redis.call('HSET', KEYS[1], 'state', 'dispatched', 'epoch', epoch, 'claimedAt', now, 'holder', ARGV[3])
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('ZADD', KEYS[3], now, ARGV[1])
  if run[14] then
    leaveOrder(ARGV[5] .. ':order:' .. run[13], { tenant = tenant, tag = run[14], cost = run[15] }, not isOverdue)
  end
  -- From here on its holder sees to it.
  if deadline then redis.call('ZREM', KEYS[5], ARGV[1]) end
  return { 'run', epoch, run[3], run[8], run[4], now, run[10], deadline }
end
-- A frame is as good as a sign of life, which a busy worker may give late. And silence tells of a death only while
-- Redis can be heard by somebody: after an outage all were silent.
local limit = tonumber(ARGV[2])
local since = tonumber(redis.call('HGET', KEYS[4], 'since') or now)
local heard = tonumber(redis.call('ZSCORE', KEYS[3], ARGV[1]) or 0)
if now - math.max(heard, since, tonumber(run[7] or 0)) < limit then return { 'held' } end
redis.call('HSET', KEYS[1], 'epoch', epoch, 'holder', 'salvage ' .. ARGV[3])
redis.call('ZADD', KEYS[3], now, ARGV[1])
return { 'salvage', epoch, run[3], run[4], state, run[10] }
