-- Writes a claimed run down again that Redis has lost, so that its worker can go on.
-- KEYS 1 run, 2 body, 3 running, 4 runs of the tenant, 5 stored runs of the tenant
-- ARGV 1 rid, 2 tenant, 3 epoch, 4 spec, 5 body, 6 home channel, 7 provider, 8 time of the claim,
--      9 '1' to list it as stored, 10 time of the id
-- Reply: 'restored' | 'there'
if redis.call('EXISTS', KEYS[1]) == 1 then return 'there' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'tenant', ARGV[2], 'state', 'dispatched', 'epoch', ARGV[3], 'spec', ARGV[4],
  'home', ARGV[6], 'provider', ARGV[7], 'claimedAt', ARGV[8])
redis.call('SET', KEYS[2], ARGV[5])
redis.call('ZADD', KEYS[3], now, ARGV[1])
redis.call('ZADD', KEYS[4], 'NX', ARGV[10], ARGV[1])
if ARGV[9] == '1' then redis.call('ZADD', KEYS[5], 'NX', ARGV[10], ARGV[1]) end
return 'restored'
