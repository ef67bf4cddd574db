-- Lets the first runs of a lane overtake the lanes before it when they have waited too long, in the lane's own order.
-- Promoted ones hold at most some of the provider's places, waiting or running: so a lane gets that much even if those
-- before it never rest, and those hardly feel it.
-- KEYS 1 waiting, 2 order of the lane, 3 promoted runs
-- ARGV 1 age in milliseconds from which a run has waited too long, 2 places, 3 run prefix, 4 what the queue's keys
--      begin with, 5 most runs looked at
-- Reply: the rids that have priority 0 now
local held = 0
for _, rid in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  local state = redis.call('HGET', ARGV[3] .. rid, 'state')
  if state == 'accepted' or state == 'dispatched' or state == 'streaming' then
    held = held + 1
  else
    redis.call('ZREM', KEYS[3], rid)
  end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local latest = now - ARGV[1]
local promoted = {}
for _, rid in ipairs(redis.call('ZRANGE', KEYS[2], 0, ARGV[5] - 1)) do
  if held >= tonumber(ARGV[2]) then break end
  local since = tonumber(redis.call('ZSCORE', KEYS[1], rid) or now)
  if since <= latest and not redis.call('ZSCORE', KEYS[3], rid) then
    -- One that is parked could not use its place.
    local tenant = redis.call('HGET', ARGV[3] .. rid, 'tenant')
    if tenant and not redis.call('ZSCORE', ARGV[4] .. ':parked:' .. tenant, rid) then
      redis.call('ZADD', KEYS[3], now, rid)
      redis.call('HSET', ARGV[3] .. rid, 'priority', 0)
      promoted[#promoted + 1] = rid
      held = held + 1
    end
  end
end
return promoted
