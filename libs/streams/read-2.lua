-- Reads a page of a run's log for its tenant; to everybody else there is no such run.
-- KEYS 1 run, 2 log
-- ARGV 1 tenant, 2 id after which to read, 3 most entries
-- Reply: nil, or { state, entries }
local run = redis.call('HMGET', KEYS[1], 'tenant', 'state', 'deleted')
if run[1] ~= ARGV[1] or run[3] then return false end
return { run[2], redis.call('XRANGE', KEYS[2], '(' .. ARGV[2], '+', 'COUNT', ARGV[3]) }
