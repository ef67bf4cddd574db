-- Appends frames to a run's log and tells them to its readers. Sending it twice is harmless: the second ends at or
-- before what the log holds. What would leave a hole is refused, since a reader takes what follows a hole for gone.
-- KEYS 1 run, 2 log
-- ARGV 1 rid, 2 epoch, 3 seq of the last frame, 4 number of frames, 5 meta, 6 payload, 7 home channel, 8 run channel
-- Reply: 'appended' | 'cancel' (appended, and the run shall stop) | 'fenced' (a later epoch, or the end, came
-- first: write no more) | 'gap' (Redis lacks frames before these) | 'missing' (Redis has lost the run, or its claim)
local run = redis.call('HMGET', KEYS[1], 'epoch', 'state', 'cancel', 'seq')
if not run[1] then return 'missing' end
if run[2] == 'accepted' and tonumber(ARGV[2]) > tonumber(run[1]) then return 'missing' end
if run[1] ~= ARGV[2] or (run[2] ~= 'dispatched' and run[2] ~= 'streaming') then return 'fenced' end
local last = tonumber(run[4] or -1)
if tonumber(ARGV[3]) > last then
  if ARGV[3] - ARGV[4] > last then return 'gap' end
  local id = ARGV[2] .. '-' .. ARGV[3]
  redis.call('XADD', KEYS[2], id, 'n', ARGV[4], 'm', ARGV[5], 'd', ARGV[6])
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', KEYS[1], 'state', 'streaming', 'seq', ARGV[3], 'appendedAt', now)
  local message = ARGV[1] .. '\n' .. id .. ' ' .. ARGV[4] .. '\n' .. ARGV[5] .. '\n' .. ARGV[6]
  if ARGV[7] ~= '' then redis.call('PUBLISH', ARGV[7], message) end
  redis.call('PUBLISH', ARGV[8], message)
end
if run[3] then return 'cancel' end
return 'appended'
