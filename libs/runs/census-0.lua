-- How many runs tenants have in a provider's queue.
-- KEYS 
-- ARGV 1 what the queue's keys begin with, 2… tenants
-- Reply: { waiting, running } of each tenant
local counts = {}
for at = 2, #ARGV do
  counts[at - 1] = {
    redis.call('ZCARD', ARGV[1] .. ':waiting:' .. ARGV[at]),
    redis.call('ZCARD', ARGV[1] .. ':running:' .. ARGV[at]),
  }
end
return counts
