-- A worker's sign of life for the runs it holds.
-- KEYS 1 running
-- ARGV 1 run prefix, 2… rids
-- Reply: those of them that shall be cancelled, since the message that said so may have been lost
local cancelled = {}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for at = 2, #ARGV do
  redis.call('ZADD', KEYS[1], 'XX', now, ARGV[at])
  if redis.call('HEXISTS', ARGV[1] .. ARGV[at], 'cancel') == 1 then cancelled[#cancelled + 1] = ARGV[at] end
end
return cancelled
