-- A worker's sign of life, for itself and the runs it holds.
-- KEYS 1 running, 2 alive
-- ARGV 1 run prefix, 2 milliseconds without any worker's sign after which all is taken to have been cut off, 3… rids
-- Reply: { those of them that shall be cancelled, since the message that said so may have been lost; those that
-- Redis has lost }
local cancelled = {}
local missing = {}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for at = 3, #ARGV do
  redis.call('ZADD', KEYS[1], 'XX', now, ARGV[at])
  local run = redis.call('HMGET', ARGV[1] .. ARGV[at], 'epoch', 'cancel')
  if not run[1] then missing[#missing + 1] = ARGV[at] end
  if run[2] then cancelled[#cancelled + 1] = ARGV[at] end
end
local last = tonumber(redis.call('HGET', KEYS[2], 'last') or 0)
if now - last > tonumber(ARGV[2]) then redis.call('HSET', KEYS[2], 'since', now) end
redis.call('HSET', KEYS[2], 'last', now)
return { cancelled, missing }
