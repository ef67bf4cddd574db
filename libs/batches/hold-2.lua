-- Holds on to a batch, or lets go of it, and keeps how far it is.
-- KEYS 1 open batches, 2 batch
-- ARGV 1 member, 2 holder, 3 state, 4 milliseconds to hold, 0 to let go, or '' when it has ended, 5 milliseconds for
--      which an ended batch is remembered
-- Reply: nil (somebody else has it) | when it was cancelled, or ''
if redis.call('HGET', KEYS[2], 'holder') ~= ARGV[2] then return false end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[2], 'state', ARGV[3]) end
if ARGV[4] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
elseif ARGV[4] == '0' then
  redis.call('ZADD', KEYS[1], 0, ARGV[1])
  redis.call('HDEL', KEYS[2], 'holder')
else
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[4], ARGV[1])
end
return redis.call('HGET', KEYS[2], 'cancel') or ''
