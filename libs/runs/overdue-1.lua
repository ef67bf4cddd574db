-- The oldest members of a sorted set of times that are older than a given age.
-- KEYS 1 set
-- ARGV 1 age in milliseconds, 2 most members
-- Reply: the members, oldest first
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGE', KEYS[1], '-inf', now - ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
