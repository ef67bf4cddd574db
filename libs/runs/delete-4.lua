-- Takes a run away from its tenant's eyes at once. One that has ended is forgotten here; one that has not is
-- cancelled by the caller and forgotten when it is settled.
-- KEYS 1 run, 2 log, 3 runs of the tenant, 4 stored runs of the tenant
-- ARGV 1 rid, 2 tenant
-- Reply: nil (no such run for this tenant) | 'forgotten' | 'marked'
redis.call('ZREM', KEYS[3], ARGV[1]) -- the tenant's own lists, which remember runs that only the archive holds
redis.call('ZREM', KEYS[4], ARGV[1])
local run = redis.call('HMGET', KEYS[1], 'tenant', 'state', 'deleted')
if run[1] ~= ARGV[2] or run[3] then return false end
if run[2] == 'persisted' then
  redis.call('DEL', KEYS[1], KEYS[2])
  return 'forgotten'
end
redis.call('HSET', KEYS[1], 'deleted', 1)
return 'marked'
