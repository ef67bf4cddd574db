-- Lets a run be called once more whose worker died before its first frame. Sent twice, the second gets what the
-- first got, unless somebody has claimed it meanwhile: then the run is no business of the caller's any more.
-- KEYS 1 run, 2 waiting, 3 running, 4 deadlines
-- ARGV 1 rid, 2 epoch, 3 what the queue's keys begin with, 4 the lane's first priority
-- Reply: 'retried' | 'spent' (it was retried before, has frames, or shall stop)
-- @include places.lua
local run = redis.call('HMGET', KEYS[1], 'epoch', 'state', 'seq', 'retried', 'cancel', 'deadline', 'tenant', 'lane',
  'tag')
if run[1] == ARGV[2] and run[2] == 'accepted' and run[4] then return 'retried' end
if run[1] ~= ARGV[2] or run[2] ~= 'dispatched' or run[3] or run[4] or run[5] then return 'spent' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'state', 'accepted', 'retried', 1)
redis.call('HDEL', KEYS[1], 'holder')
local place = { rid = ARGV[1], tenant = run[7], lane = run[8], tag = run[9] }
leaveRunning(KEYS[3], ARGV[3], place)
goFirst(KEYS[1], place, ARGV[4])
joinWaiting(KEYS[2], ARGV[3], place, now)
if run[6] then redis.call('ZADD', KEYS[4], run[6], ARGV[1]) end
return 'retried'
