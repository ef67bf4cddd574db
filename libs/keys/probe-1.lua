-- Lets one process try a refused key again: the others find it refused for a while longer.
-- KEYS 1 resting
-- ARGV 1 provider and key, 2 milliseconds that the others leave it alone
-- Reply: 1 if the caller is to try it | 0
local till, reason = string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', '^(%d+) (%a+)$')
if not till then return 1 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(till) > now then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %s', now + ARGV[2], reason))
return 1
