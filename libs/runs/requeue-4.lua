-- Gives a claimed run back to the waiting that has no frame yet: for another provider, for later, or both. What was
-- tried so far goes along. Sent twice, the second finds it there and changes nothing.
-- KEYS 1 run, 2 waiting of the provider it goes to, 3 running, 4 deadlines
-- ARGV 1 rid, 2 epoch, 3 spec, 4 progress, 5 provider it goes to, 6 milliseconds until somebody shall come for it,
--      7 what the keys of queues begin with, 8 lane, 9 the lane's first priority
-- Reply: 'requeued' | 'cancel' (it shall stop, and its holder keeps it to say so) | 'fenced' (it is not the
--        caller's any more, or has frames) | 'missing' (Redis has lost the run, or its claim)
-- @include places.lua
local run = redis.call('HMGET', KEYS[1], 'epoch', 'state', 'cancel', 'deadline', 'tenant', 'tag', 'cost', 'provider')
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
local place = { rid = ARGV[1], tenant = run[5], lane = ARGV[8], tag = run[6] }
local queue = ARGV[7] .. ARGV[5]
leaveRunning(KEYS[3], ARGV[7] .. (run[8] or ARGV[5]), place)
if run[8] == ARGV[5] then
  goFirst(KEYS[1], place, ARGV[9])
else
  local cost = tonumber(run[7] or ticksInRound)
  place.tag = takeTag(queue, place.lane, place.tenant, cost)
  redis.call('HSET', KEYS[1], 'tag', string.format('%.0f', place.tag), 'lane', place.lane, 'cost', cost,
    'priority', toPriority(tonumber(ARGV[9]), place.tag))
end
-- One that nobody shall come for yet has not waited too long.
joinWaiting(KEYS[2], queue, place, now + ARGV[6])
if run[4] then redis.call('ZADD', KEYS[4], run[4], ARGV[1]) end
return 'requeued'
