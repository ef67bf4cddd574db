-- Ends a run: the last entry, the end record, the outbox and the news, all or nothing. Sent twice, the second
-- finds the run ended under its own epoch. A run that answers in one piece has its answer in the run's hash: a log of
-- one entry would cost Redis a key, and a third of this script.
-- KEYS 1 run, 2 log, 3 running, 4 outbox
-- ARGV 1 rid, 2 epoch, 3 seq, 4 number of frames, 5 end record, 6 payload, 7 home channel, 8 run channel,
--      9 '1' if the run answers in one piece, 10 key of its tenant's running ones
-- Reply: 'ended' | 'fenced' | 'gap' (Redis lacks frames before these) | 'missing' (Redis has lost the run, or its
--        claim)
local run = redis.call('HMGET', KEYS[1], 'epoch', 'state', 'seq', 'mostRunning')
if not run[1] then return 'missing' end
if run[2] == 'accepted' and tonumber(ARGV[2]) > tonumber(run[1]) then return 'missing' end
if run[1] ~= ARGV[2] or run[2] == 'accepted' then return 'fenced' end
if run[2] == 'ended' or run[2] == 'persisted' then return 'ended' end
if ARGV[3] - math.max(ARGV[4], 1) > tonumber(run[3] or -1) then return 'gap' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id = ARGV[2] .. '-' .. ARGV[3]
local meta = 'e' .. ARGV[5]
if ARGV[9] == '1' then
  redis.call('HSET', KEYS[1], 'state', 'ended', 'end', ARGV[5], 'answer', ARGV[6], 'answered', id .. ' ' .. ARGV[4])
else
  redis.call('XADD', KEYS[2], id, 'n', ARGV[4], 'm', meta, 'd', ARGV[6])
  redis.call('HSET', KEYS[1], 'state', 'ended', 'end', ARGV[5])
end
redis.call('ZREM', KEYS[3], ARGV[1])
if run[4] then redis.call('ZREM', ARGV[10], ARGV[1]) end
redis.call('ZADD', KEYS[4], now, ARGV[1])
local message = ARGV[1] .. '\n' .. id .. ' ' .. ARGV[4] .. '\n' .. meta .. '\n' .. ARGV[6]
if ARGV[7] ~= '' then redis.call('PUBLISH', ARGV[7], message) end
redis.call('PUBLISH', ARGV[8], message)
return 'ended'
