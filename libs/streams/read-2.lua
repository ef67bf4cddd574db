-- Reads a page of a run's log for its tenant; to everybody else there is no such run. A run that answered in one
-- piece has no log: its answer is told as the one entry that it would have had.
-- KEYS 1 run, 2 log
-- ARGV 1 tenant, 2 id after which to read, 3 most entries
-- Reply: nil, or { state, entries }
local run = redis.call('HMGET', KEYS[1], 'tenant', 'state', 'deleted', 'answered')
if run[1] ~= ARGV[1] or run[3] then return false end
if not run[4] then return { run[2], redis.call('XRANGE', KEYS[2], '(' .. ARGV[2], '+', 'COUNT', ARGV[3]) } end
if ARGV[2] ~= '0-0' then return { run[2], {} } end
local told = redis.call('HMGET', KEYS[1], 'end', 'answer')
local id, count = string.match(run[4], '^(%S+) (%d+)$')
return { run[2], { { id, { 'n', count, 'm', 'e' .. told[1], 'd', told[2] } } } }
