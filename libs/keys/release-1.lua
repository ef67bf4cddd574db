-- Ends a lease: its place among the parallel calls is free again, and its tokens become those that were really used.
-- Sent twice, the second finds no lease.
-- KEYS 1 lease
-- ARGV 1 limit prefix, 2 id, 3 tokens used, '' if nobody knows, 4 '1' if nothing was sent and nothing shall count,
--      5 now, only where a test sets the clock
-- Reply: 'released' | 'unknown'
local held = redis.call('GET', KEYS[1])
if not held then return 'unknown' end
redis.call('DEL', KEYS[1])
local lease = cjson.decode(held)
local time = redis.call('TIME')
local now = tonumber(ARGV[5]) or (time[1] * 1000 + math.floor(time[2] / 1000))
for _, meter in ipairs(lease.meters) do
  local name, cost, isParallel = unpack(meter)
  local key = ARGV[1] .. 'meter:' .. name
  local used = ARGV[4] == '1' and 0 or tonumber(ARGV[3])
  -- A second that has left the window took its count along.
  if cost > 0 and used and redis.call('HEXISTS', key, 't' .. lease.second) == 1 then
    redis.call('HINCRBY', key, 'tokens', used - cost)
    redis.call('HINCRBY', key, 't' .. lease.second, used - cost)
  end
  if ARGV[4] == '1' and redis.call('HEXISTS', key, 'r' .. lease.second) == 1 then
    redis.call('HINCRBY', key, 'requests', -1)
    redis.call('HINCRBY', key, 'r' .. lease.second, -1)
  end
  if isParallel == 1 then
    redis.call('ZREM', ARGV[1] .. 'calls:' .. name, ARGV[2])
    -- How long calls take tells who waits when to look again.
    local took = now - lease.at
    local mean = tonumber(redis.call('HGET', key, 'mean') or took)
    redis.call('HSET', key, 'mean', math.floor(mean * 0.8 + took * 0.2))
    if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, 3600000) end
  end
end
return 'released'
