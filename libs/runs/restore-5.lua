-- Writes a claimed run down again that Redis has lost, so that its worker can go on. Lost is also one that Redis
-- believes to be waiting, when only the claim was lost.
-- KEYS 1 run, 2 running, 3 runs of the tenant, 4 stored runs of the tenant, 5 waiting
-- ARGV 1 rid, 2 tenant, 3 epoch, 4 spec, 5 body, 6 home channel, 7 time of the claim,
--      8 '1' to list it as stored, '' not to list it, 9 time of the id, 10 provider, 11 progress, or '', 12 deadline, or '',
--      13 what the queue's keys begin with, 14 most runs of the tenant that run, or ''
-- Reply: 'restored' | 'there'
-- @include order.lua
local run = redis.call('HMGET', KEYS[1], 'state', 'epoch', 'lane', 'tag', 'cost')
if run[1] and (run[1] ~= 'accepted' or tonumber(run[2]) >= tonumber(ARGV[3])) then return 'there' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'tenant', ARGV[2], 'state', 'dispatched', 'epoch', ARGV[3], 'spec', ARGV[4],
  'home', ARGV[6], 'claimedAt', ARGV[7], 'body', ARGV[5], 'provider', ARGV[10])
if ARGV[11] ~= '' then redis.call('HSET', KEYS[1], 'progress', ARGV[11]) end
if ARGV[12] ~= '' then redis.call('HSET', KEYS[1], 'deadline', ARGV[12]) end
redis.call('ZREM', KEYS[5], ARGV[1])
redis.call('ZADD', KEYS[2], now, ARGV[1])
if run[4] then leaveOrder(ARGV[13] .. ':order:' .. run[3], { tenant = ARGV[2], tag = run[4], cost = run[5] }, true) end
if ARGV[14] ~= '' then
  redis.call('HSET', KEYS[1], 'mostRunning', ARGV[14])
  redis.call('ZADD', ARGV[13] .. ':running:' .. ARGV[2], now, ARGV[1])
end
if ARGV[8] ~= '' then redis.call('ZADD', KEYS[3], 'NX', ARGV[9], ARGV[1]) end
if ARGV[8] == '1' then redis.call('ZADD', KEYS[4], 'NX', ARGV[9], ARGV[1]) end
return 'restored'
