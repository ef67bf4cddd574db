-- A worker's sign of life for the runs it holds.
-- KEYS 1 running
-- ARGV 1… rids
-- Reply: the time
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for at = 1, #ARGV do redis.call('ZADD', KEYS[1], 'XX', now, ARGV[at]) end
return now
