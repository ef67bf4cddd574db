-- Counts calls of a subject (a target, or one of its keys), and moves its circuit:
--
--   closed     Calls pass and are counted in a sliding window of ten buckets. A failure that brings a rate or a limit
--              to its mark opens the circuit; each opening that follows a closing soon rests twice as long.
--   open       Nothing passes and nothing counts: what ends now began before. When the rest is over, the next call that
--              asks becomes a probe (`probe`), and the circuit is half-open.
--   half-open  So many probes pass as are configured, and only they count. One that finds the subject sick opens the
--              circuit again; when all have found it well it is closed, with an empty window.
--
-- A probe knows by its generation (the number of openings) whether it is of this half-open time or an earlier one.
-- KEYS 1 circuit of the subject, 2 circuits that are not closed
-- ARGV 1 subject, 2 channel, 3 window in ms, 4 fewest calls for a rate, 5 failure rate, 6 slow rate, 7 first rest in ms,
--      8 longest rest in ms, 9 probes, 10 most circuits that are not closed, 11 calls, 12 '1' if one of them was sick,
--      13 slow calls, 14 group of the failure, or '' when it counts for the rate, 15 limit of the group,
--      16 probe as its admission called it, or '', 17 verdict of the probe: 'well', 'sick' or 'nothing'
-- Reply: 'opened' | 'closed' | 'same'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window, openMs, longestMs = tonumber(ARGV[3]), tonumber(ARGV[7]), tonumber(ARGV[8])
local width = math.ceil(window / 10)
local circuit = redis.call('HMGET', KEYS[1], 'state', 'opens', 'closedAt', 'well')
local state, opens = circuit[1] or 'closed', tonumber(circuit[2] or 0)

local function tell(line, restMs)
  redis.call('PUBLISH', ARGV[2], ARGV[1] .. '\n' .. line .. ' ' .. restMs .. ' ' .. opens)
end

local function open()
  if not redis.call('HGET', KEYS[2], ARGV[1]) and redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[10]) then
    return 'same'
  end
  opens = opens + 1
  local restMs = math.min(openMs * 2 ^ math.min(opens - 1, 20), math.max(openMs, longestMs))
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'state', 'open', 'until', now + restMs, 'opens', opens)
  redis.call('PEXPIRE', KEYS[1], restMs + 3600000)
  redis.call('HSET', KEYS[2], ARGV[1], 'open ' .. string.format('%d', now + restMs) .. ' ' .. opens)
  tell('open', restMs)
  return 'opened'
end

if state == 'half-open' then
  local generation, token = string.match(ARGV[16], '^(%d+) (.+)$')
  if tonumber(generation) ~= opens then return 'same' end
  redis.call('HDEL', KEYS[1], 'probe ' .. token)
  if ARGV[17] == 'sick' then return open() end
  if ARGV[17] ~= 'well' then return 'same' end
  local well = tonumber(circuit[4] or 0) + 1
  redis.call('HSET', KEYS[1], 'well', well)
  if well < tonumber(ARGV[9]) then return 'same' end
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'opens', opens, 'closedAt', now)
  redis.call('PEXPIRE', KEYS[1], window + 2 * longestMs)
  redis.call('HDEL', KEYS[2], ARGV[1])
  tell('closed', 0)
  return 'closed'
end
if state == 'open' or ARGV[16] ~= '' then return 'same' end

local bucket = math.floor(now / width)
local function count(kind, by)
  if tonumber(by) > 0 then redis.call('HINCRBY', KEYS[1], kind .. ' ' .. bucket, by) end
end
count('calls', ARGV[11])
count('slow', ARGV[13])
if ARGV[12] == '1' then count(ARGV[14] == '' and 'sick' or 'group-' .. ARGV[14], 1) end
-- As long as the next opening would still remember this one.
redis.call('PEXPIRE', KEYS[1], window + 2 * longestMs)

local sums = {}
local fields = redis.call('HGETALL', KEYS[1])
for at = 1, #fields, 2 do
  local kind, number = string.match(fields[at], '^(%S+) (%d+)$')
  if kind and tonumber(number) <= bucket - 10 then
    redis.call('HDEL', KEYS[1], fields[at])
  elseif kind then
    sums[kind] = (sums[kind] or 0) + fields[at + 1]
  end
end
if openMs == 0 or (ARGV[12] ~= '1' and ARGV[13] == '0') then return 'same' end
local calls = sums.calls or 0
local isOver = ARGV[14] ~= '' and (sums['group-' .. ARGV[14]] or 0) > tonumber(ARGV[15])
local hasRate = calls >= tonumber(ARGV[4])
  and ((sums.sick or 0) >= calls * ARGV[5] or (sums.slow or 0) >= calls * ARGV[6])
if not isOver and not hasRate then return 'same' end
-- What stayed well for as long as the longest rest begins anew.
if circuit[3] and now - circuit[3] > math.max(window, longestMs) then opens = 0 end
return open()
