-- Cancels a run of this tenant. One that waits ends here and now; one that runs is told to its worker.
-- KEYS 1 run, 2 log, 3 outbox
-- ARGV 1 rid, 2 tenant, 3 end record for one that waits, 4 its frames, a line each, 5 their number, 6 run channel,
--      7 cancel channel, 8 what the keys of waiting runs begin with, 9 what those of queues begin with
-- Reply: nil (no such run for this tenant) | 'ended' (it had ended before) | 'cancelled' | 'requested'
-- @include order.lua
local run = redis.call('HMGET', KEYS[1], 'tenant', 'state', 'epoch', 'home', 'deleted', 'provider', 'lane', 'tag',
  'cost', 'mostRunning')
if run[1] ~= ARGV[2] or run[5] then return false end
local state = run[2]
if state == 'ended' or state == 'persisted' then return 'ended' end
if state ~= 'accepted' then
  redis.call('HSET', KEYS[1], 'cancel', 1)
  redis.call('PUBLISH', ARGV[7], ARGV[1])
  return 'requested'
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local epoch = run[3] + 1
local count = tonumber(ARGV[5])
local id = epoch .. '-' .. math.max(count - 1, 0)
local meta = 'e' .. ARGV[3]
redis.call('XADD', KEYS[2], id, 'n', count, 'm', meta, 'd', ARGV[4])
redis.call('HSET', KEYS[1], 'state', 'ended', 'epoch', epoch, 'end', ARGV[3], 'cancel', 1)
local provider = run[6] or ''
redis.call('ZREM', ARGV[8] .. provider, ARGV[1])
if run[8] then
  leaveOrder(ARGV[9] .. provider .. ':order:' .. run[7], { tenant = run[1], tag = run[8], cost = run[9] }, false)
end
if run[10] then redis.call('ZREM', ARGV[9] .. provider .. ':parked:' .. run[1], ARGV[1]) end
redis.call('ZADD', KEYS[3], now, ARGV[1])
local message = ARGV[1] .. '\n' .. id .. ' ' .. count .. '\n' .. meta .. '\n' .. ARGV[4]
if run[4] ~= '' then redis.call('PUBLISH', run[4], message) end
redis.call('PUBLISH', ARGV[6], message)
return 'cancelled'
