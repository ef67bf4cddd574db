-- Lets a run be called once more whose worker died before its first frame. Sent twice, the second gets what the
-- first got, unless somebody has claimed it meanwhile: then the run is no business of the caller's any more.
-- KEYS 1 run, 2 waiting, 3 running, 4 deadlines
-- ARGV 1 rid, 2 epoch, 3 what the queue's keys begin with, 4 the lane's first priority
-- Reply: 'retried' | 'spent' (it was retried before, has frames, or shall stop)
-- @include order.lua
local run = redis.call('HMGET', KEYS[1], 'epoch', 'state', 'seq', 'retried', 'cancel', 'deadline', 'tenant', 'lane',
  'tag', 'mostRunning')
if run[1] == ARGV[2] and run[2] == 'accepted' and run[4] then return 'retried' end
if run[1] ~= ARGV[2] or run[2] ~= 'dispatched' or run[3] or run[4] or run[5] then return 'spent' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'state', 'accepted', 'retried', 1)
redis.call('HDEL', KEYS[1], 'holder')
redis.call('ZREM', KEYS[3], ARGV[1])
if run[10] then redis.call('ZREM', ARGV[3] .. ':running:' .. run[7], ARGV[1]) end
redis.call('ZADD', KEYS[2], now, ARGV[1])
if run[9] then comeBack(KEYS[1], ARGV[3] .. ':order:' .. run[8], { tenant = run[7], tag = run[9] }, ARGV[4]) end
if run[6] then redis.call('ZADD', KEYS[4], run[6], ARGV[1]) end
return 'retried'
