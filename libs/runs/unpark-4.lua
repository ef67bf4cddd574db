-- Which parked runs of a tenant may run now: the first ones, as many as it has places free. They stay parked until they
-- are claimed, so that a caller who dies leaves nothing behind.
-- KEYS 1 parked runs of the tenant, 2 waiting, 3 running, 4 tenants with parked runs
-- ARGV 1 tenant, 2 what the queue's keys begin with, 3 most runs of the tenant that run, or '' (no limit), 4 most rids
-- Reply: the rids
-- @include count-running.lua
local most = tonumber(ARGV[4])
if ARGV[3] ~= '' then
  local limit = tonumber(ARGV[3])
  most = math.min(most, limit - countRunning(ARGV[2] .. ':running:' .. ARGV[1], KEYS[3], limit))
end
if most <= 0 then return {} end
local rids = {}
for _, rid in ipairs(redis.call('ZRANGE', KEYS[1], 0, most - 1)) do
  if redis.call('ZSCORE', KEYS[2], rid) then
    rids[#rids + 1] = rid
  else
    redis.call('ZREM', KEYS[1], rid)
  end
end
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SREM', KEYS[4], ARGV[1]) end
return rids
