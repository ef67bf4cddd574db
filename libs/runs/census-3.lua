-- How many runs of tenants wait for their turn at a provider.
-- KEYS 1 order of the interactive lane, 2 of standard, 3 of batch
-- ARGV 1… tenants
-- Reply: the number of each
local counts = {}
for at = 1, #ARGV do
  local count = 0
  for _, order in ipairs({ KEYS[1], KEYS[2], KEYS[3] }) do
    count = count + (redis.call('HGET', order, ARGV[at] .. ':waiting') or 0)
  end
  counts[at] = count
end
return counts
