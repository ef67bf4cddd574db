-- Gives a claimed run back to the waiting that has no frame yet: for another provider, for later, or both. What was
-- tried so far goes along. Sent twice, the second finds it there and changes nothing.
-- KEYS 1 run, 2 waiting of the provider it goes to, 3 running, 4 deadlines
-- ARGV 1 rid, 2 epoch, 3 spec, 4 progress, 5 provider it goes to, 6 milliseconds until somebody shall come for it,
--      7 what the keys of queues begin with, 8 lane, 9 the lane's first priority, 10 what the run costs, or ''
-- Reply: 'requeued' | 'cancel' (it shall stop, and its holder keeps it to say so) | 'fenced' (it is not the
--        caller's any more, or has frames) | 'missing' (Redis has lost the run, or its claim)
-- @include order.lua
local run = redis.call('HMGET', KEYS[1], 'epoch', 'state', 'cancel', 'deadline', 'tenant', 'tag', 'provider',
  'mostRunning')
if not run[1] then return 'missing' end
if run[2] == 'accepted' then
  if run[1] == ARGV[2] then return 'requeued' end
  return tonumber(ARGV[2]) > tonumber(run[1]) and 'missing' or 'fenced'
end
if run[1] ~= ARGV[2] or run[2] ~= 'dispatched' then return 'fenced' end
if run[3] then return 'cancel' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'state', 'accepted', 'spec', ARGV[3], 'progress', ARGV[4], 'provider', ARGV[5])
redis.call('HDEL', KEYS[1], 'holder')
redis.call('ZREM', KEYS[3], ARGV[1])
local provider = run[7] or ARGV[5]
if run[8] then redis.call('ZREM', ARGV[7] .. provider .. ':running:' .. run[5], ARGV[1]) end
-- One that nobody shall come for yet has not waited too long.
redis.call('ZADD', KEYS[2], now + ARGV[6], ARGV[1])
local order = ARGV[7] .. ARGV[5] .. ':order:' .. ARGV[8]
local place = { tenant = run[5], tag = run[6], cost = tonumber(ARGV[10]) }
if provider == ARGV[5] then
  comeBack(KEYS[1], order, place, ARGV[9])
elseif place.cost then
  joinOrder(order, readOrder(order, place.tenant), place)
  redis.call('HSET', KEYS[1], 'lane', ARGV[8], 'tag', place.tag, 'cost', place.cost, 'priority',
    toPriority(tonumber(ARGV[9]), place.tag))
else
  redis.call('HDEL', KEYS[1], 'tag', 'priority')
end
if run[4] then redis.call('ZADD', KEYS[4], run[4], ARGV[1]) end
return 'requeued'
