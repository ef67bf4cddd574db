-- How many runs of tenants wait for their turn at a provider.
-- KEYS none
-- ARGV 1 what the queue's keys begin with, 2… tenants
-- Reply: the number of each
-- @include order.lua
local counts = {}
for at = 2, #ARGV do counts[at - 1] = countWaiting(ARGV[1], ARGV[at]) end
return counts
