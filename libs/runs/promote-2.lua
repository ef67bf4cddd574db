-- Lets runs overtake that have waited too long. Promoted ones hold at most some of the provider's places, waiting or
-- running: so those whom they overtake hardly feel it.
-- KEYS 1 waiting, 2 promoted runs
-- ARGV 1 age in milliseconds from which a run has waited too long, 2 places, 3 run prefix, 4… rids, the first ones first
-- Reply: the rids that have priority 0 now
local held = 0
for _, rid in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  local state = redis.call('HGET', ARGV[3] .. rid, 'state')
  if state == 'accepted' or state == 'dispatched' or state == 'streaming' then
    held = held + 1
  else
    redis.call('ZREM', KEYS[2], rid)
  end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local promoted = {}
for at = 4, #ARGV do
  if held >= tonumber(ARGV[2]) then break end
  local since = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[at]) or now)
  if now - since >= tonumber(ARGV[1]) and redis.call('ZADD', KEYS[2], 'NX', now, ARGV[at]) == 1 then
    redis.call('HSET', ARGV[3] .. ARGV[at], 'priority', 0)
    promoted[#promoted + 1] = ARGV[at]
    held = held + 1
  end
end
return promoted
