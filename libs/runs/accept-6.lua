-- Writes a run down and puts it among its provider's waiting, unless the provider's buffer is full, or the tenant's part
-- of it. A tenant that is alone needs no order. While few wait, interactive runs are in none either: the next few free
-- places are theirs in any case, and the first to come may go first, which costs least. Sent twice, the second finds the
-- run and changes nothing.
-- KEYS 1 run, 2 waiting, 3 runs of the tenant, 4 stored runs of the tenant, 5 idempotency entry, 6 deadlines
-- ARGV 1 rid, 2 tenant, 3 spec, 4 body, 5 home channel, 6 provider, 7 buffer size, 8 most runs listed,
--      9 '1' to list it as stored, '' not to list it, 10 digest of the body, or '' without an idempotency key,
--      11 its lifetime in ms, 12 time of the id, 13 milliseconds until its deadline, or '', 14 what the queue's keys
--      begin with, 15 lane, 16 the lane's first priority, 17 how many are few, 18 what the run costs, or '' if it need
--      be in no order, 19 most runs of the tenant that wait, 20 and that run, or ''
-- Reply: { 'accepted', priority of its job, 1 if it is parked } | { 'queue_full', waiting }
--        | { 'tenant_queue_full', waiting of the tenant } | { 'attached', rid } | { 'key_reused' }
-- @include order.lua
if redis.call('EXISTS', KEYS[1]) == 1 then
  return { 'accepted', tonumber(redis.call('HGET', KEYS[1], 'priority')) or 0, 0 }
end
if ARGV[10] ~= '' then
  local held = redis.call('HMGET', KEYS[5], 'rid', 'digest')
  if held[1] then
    if held[2] ~= ARGV[10] then return { 'key_reused' } end
    return { 'attached', held[1] }
  end
end
local waiting = redis.call('ZCARD', KEYS[2])
if waiting >= tonumber(ARGV[7]) then return { 'queue_full', waiting } end
local queue = ARGV[14]
local run = { tenant = ARGV[2], cost = tonumber(ARGV[18]) }
if waiting >= tonumber(ARGV[19]) then
  local own = waiting
  if run.cost then own = countWaiting(queue, run.tenant) end
  if own >= tonumber(ARGV[19]) then return { 'tenant_queue_full', own } end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local priority = 0
local place = {}
if run.cost then
  local order = queue .. ':order:' .. ARGV[15]
  local held = readOrder(order, run.tenant, waiting)
  if ARGV[15] ~= 'interactive' or waiting >= tonumber(ARGV[17]) or held.waiting > 0 then
    joinOrder(order, held, run)
    priority = toPriority(tonumber(ARGV[16]), run.tag)
    place = { 'lane', ARGV[15], 'tag', run.tag, 'cost', run.cost, 'priority', priority }
  end
elseif ARGV[15] ~= 'interactive' then
  priority = tonumber(ARGV[16])
  place = { 'priority', priority }
end
redis.call('HSET', KEYS[1], 'tenant', ARGV[2], 'state', 'accepted', 'epoch', 0, 'spec', ARGV[3],
  'home', ARGV[5], 'body', ARGV[4], 'provider', ARGV[6], unpack(place))
redis.call('ZADD', KEYS[2], now, ARGV[1])
if ARGV[13] ~= '' then
  redis.call('HSET', KEYS[1], 'deadline', now + ARGV[13])
  redis.call('ZADD', KEYS[6], now + ARGV[13], ARGV[1])
end
if ARGV[9] ~= '' then
  redis.call('ZADD', KEYS[3], ARGV[12], ARGV[1])
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -ARGV[8] - 1)
end
if ARGV[9] == '1' then
  redis.call('ZADD', KEYS[4], ARGV[12], ARGV[1])
  redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -ARGV[8] - 1)
end
if ARGV[10] ~= '' then
  redis.call('HSET', KEYS[5], 'rid', ARGV[1], 'digest', ARGV[10])
  redis.call('PEXPIRE', KEYS[5], ARGV[11])
end
if ARGV[20] == '' then return { 'accepted', priority, 0 } end
redis.call('HSET', KEYS[1], 'mostRunning', ARGV[20])
-- Behind others of its tenant that are parked it could not run yet.
local parked = queue .. ':parked:' .. run.tenant
if redis.call('EXISTS', parked) == 0 then return { 'accepted', priority, 0 } end
redis.call('ZADD', parked, priority, ARGV[1])
return { 'accepted', priority, 1 }
