-- Writes a run down and puts it among its provider's waiting, unless the provider's buffer is full. Sent twice,
-- the second finds the run and changes nothing.
-- KEYS 1 run, 2 waiting, 3 runs of the tenant, 4 stored runs of the tenant, 5 idempotency entry, 6 deadlines
-- ARGV 1 rid, 2 tenant, 3 spec, 4 body, 5 home channel, 6 provider, 7 buffer size, 8 most runs listed,
--      9 '1' to list it as stored, 10 digest of the body, or '' without an idempotency key, 11 its lifetime in ms,
--      12 time of the id, 13 milliseconds until its deadline, or ''
-- Reply: { 'accepted' } | { 'queue_full', waiting } | { 'attached', rid } | { 'key_reused' }
if redis.call('EXISTS', KEYS[1]) == 1 then return { 'accepted' } end
if ARGV[10] ~= '' then
  local held = redis.call('HMGET', KEYS[5], 'rid', 'digest')
  if held[1] then
    if held[2] ~= ARGV[10] then return { 'key_reused' } end
    return { 'attached', held[1] }
  end
end
local waiting = redis.call('ZCARD', KEYS[2])
if waiting >= tonumber(ARGV[7]) then return { 'queue_full', waiting } end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'tenant', ARGV[2], 'state', 'accepted', 'epoch', 0, 'spec', ARGV[3],
  'home', ARGV[5], 'body', ARGV[4], 'provider', ARGV[6])
redis.call('ZADD', KEYS[2], now, ARGV[1])
if ARGV[13] ~= '' then
  redis.call('HSET', KEYS[1], 'deadline', now + ARGV[13])
  redis.call('ZADD', KEYS[6], now + ARGV[13], ARGV[1])
end
redis.call('ZADD', KEYS[3], ARGV[12], ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -ARGV[8] - 1)
if ARGV[9] == '1' then
  redis.call('ZADD', KEYS[4], ARGV[12], ARGV[1])
  redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -ARGV[8] - 1)
end
if ARGV[10] ~= '' then
  redis.call('HSET', KEYS[5], 'rid', ARGV[1], 'digest', ARGV[10])
  redis.call('PEXPIRE', KEYS[5], ARGV[11])
end
return { 'accepted' }
