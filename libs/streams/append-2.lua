-- Appends frames to a run's log and tells them to its readers. Sending it twice is harmless: the explicit id
-- makes the second a duplicate.
-- KEYS 1 run, 2 log
-- ARGV 1 rid, 2 epoch, 3 seq of the last frame, 4 number of frames, 5 meta, 6 payload, 7 home channel, 8 run channel
-- Reply: 'appended' | 'cancel' (appended, and the run shall stop) | 'fenced' (a later epoch, or the end, came
-- first: write no more) | 'missing' (Redis has lost the run)
local run = redis.call('HMGET', KEYS[1], 'epoch', 'state', 'cancel')
if not run[1] then return 'missing' end
if run[1] ~= ARGV[2] or run[2] == 'ended' or run[2] == 'persisted' then return 'fenced' end
local id = ARGV[2] .. '-' .. ARGV[3]
local added = redis.pcall('XADD', KEYS[2], id, 'n', ARGV[4], 'm', ARGV[5], 'd', ARGV[6])
if type(added) == 'table' and added.err then
  if not string.find(added.err, 'equal or smaller', 1, true) then return added end
else
  if run[2] ~= 'streaming' then redis.call('HSET', KEYS[1], 'state', 'streaming') end
  local message = ARGV[1] .. '\n' .. id .. ' ' .. ARGV[4] .. '\n' .. ARGV[5] .. '\n' .. ARGV[6]
  if ARGV[7] ~= '' then redis.call('PUBLISH', ARGV[7], message) end
  redis.call('PUBLISH', ARGV[8], message)
end
if run[3] then return 'cancel' end
return 'appended'
