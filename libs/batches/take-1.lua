-- Gives batches that nobody holds to somebody.
-- KEYS 1 open batches
-- ARGV 1 start of the batches' own keys, 2 holder, 3 milliseconds to hold, 4 most batches
-- Reply: the members, those that were left first in front
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[4])
for _, member in ipairs(due) do
  redis.call('ZADD', KEYS[1], now + ARGV[3], member)
  redis.call('HSET', ARGV[1] .. string.match(member, '[^/]+$'), 'holder', ARGV[2])
end
return due
