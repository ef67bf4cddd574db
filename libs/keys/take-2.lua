-- Takes a place under limits that all processes share: one under each of the shared meters, and one under the first of
-- the choices that has any. Where there is none, tells when the run's turn comes, and keeps a place in the line for it.
-- Sent twice under one id, the second gets what the first got.
--
-- A meter counts by second, and keeps totals of the seconds in its window: each is added to once, and taken off once.
-- A turn is the time at which enough places come free for all that wait ahead, as those who took them have left the
-- window. Nobody may take a place that is due to a run ahead: one of an earlier lane, or of the same lane whose turn
-- came before. Who does not come within the grace has lost the turn.
--
-- KEYS 1 running, 2 alive
-- ARGV 1 limit prefix, 2 run prefix, 3 JSON: id; rid; line, if it can wait; lane, 0 first; of, how many choices the
--      line has in all; tokens; shared and choices,
--      lists of meters: name, and requests, tokens and parallel where they are limited; window in seconds;
--      silentMs, after which a holder is taken for dead; graceMs; keepMs, how long a lease is remembered;
--      heldByRun, whether a lease lasts as long as the run, and not the call; now, only where a test sets the clock
-- Reply: { number of the choice, requests and tokens left under it }, or { 0, the same of the first choice,
--        milliseconds until the turn }; -1 is left where there is no limit
local prefix = ARGV[1]
local call = cjson.decode(ARGV[3])
local time = redis.call('TIME')
local now = call.now or (time[1] * 1000 + math.floor(time[2] / 1000))
local second = math.floor(now / 1000)
local first = second - call.window + 1

-- The totals of a meter, without the seconds that have left the window.
local function count(meter)
  local key = prefix .. 'meter:' .. meter.name
  local held = redis.call('HMGET', key, 'oldest', 'requests', 'tokens')
  local oldest = tonumber(held[1] or first)
  meter.usedRequests = tonumber(held[2] or 0)
  meter.usedTokens = tonumber(held[3] or 0)
  if oldest >= first then return end
  if oldest + call.window <= first then
    redis.call('DEL', key)
    meter.usedRequests, meter.usedTokens = 0, 0
    return
  end
  local fields = {}
  for at = oldest, first - 1 do
    fields[#fields + 1] = 'r' .. at
    fields[#fields + 1] = 't' .. at
  end
  local counts = redis.call('HMGET', key, unpack(fields))
  for at = 1, #counts, 2 do
    meter.usedRequests = meter.usedRequests - (counts[at] or 0)
    meter.usedTokens = meter.usedTokens - (counts[at + 1] or 0)
  end
  redis.call('HDEL', key, unpack(fields))
  redis.call('HSET', key, 'oldest', first, 'requests', meter.usedRequests, 'tokens', meter.usedTokens)
end

-- Whether somebody still holds the lease: its run has not ended, and its worker gives signs of life.
local function isHeld(rid)
  local run = redis.call('HMGET', ARGV[2] .. rid, 'state', 'appendedAt')
  if not run[1] or run[1] == 'ended' or run[1] == 'persisted' then return false end
  if call.heldByRun then return true end
  local heard = tonumber(redis.call('ZSCORE', KEYS[1], rid) or 0)
  if heard == 0 then return false end
  local since = tonumber(redis.call('HGET', KEYS[2], 'since') or 0)
  return now - math.max(heard, since, tonumber(run[2] or 0)) < call.silentMs
end

local function freeParallel(meter)
  local calls = prefix .. 'calls:' .. meter.name
  local free = meter.parallel - redis.call('ZCARD', calls)
  if free > 0 then return free end
  local silent = now - call.silentMs
  for _, id in ipairs(redis.call('ZRANGE', calls, '-inf', silent, 'BYSCORE', 'LIMIT', 0, 200)) do
    if isHeld(string.match(id, '^%S+')) then
      redis.call('ZADD', calls, now, id)
    else
      redis.call('ZREM', calls, id)
      free = free + 1
    end
  end
  return free
end

-- How many calls such as this one fit under a meter now. One that is larger than the whole limit fits alone.
local function places(meter)
  if not meter.name then return math.huge end
  count(meter)
  meter.cost = math.max(1, math.min(call.tokens, meter.tokens or 1))
  local byRequests = meter.requests and meter.requests - meter.usedRequests or math.huge
  local byTokens = meter.tokens and math.floor((meter.tokens - meter.usedTokens) / meter.cost) or math.huge
  local byParallel = meter.parallel and freeParallel(meter) or math.huge
  meter.places = math.min(byRequests, byTokens, byParallel)
  if meter.places == byRequests then
    meter.scarce = 'r'
  elseif meter.places == byTokens then
    meter.scarce = 't'
  else
    meter.scarce = 'p'
  end
  return meter.places
end

local function left(limit, used)
  if not limit then return -1 end
  return math.max(0, limit - used)
end

local function charge(meter)
  local key = prefix .. 'meter:' .. meter.name
  if meter.requests or meter.tokens then
    redis.call('HSETNX', key, 'oldest', second)
    redis.call('HINCRBY', key, 'requests', 1)
    redis.call('HINCRBY', key, 'r' .. second, 1)
    if meter.tokens then
      redis.call('HINCRBY', key, 'tokens', meter.cost)
      redis.call('HINCRBY', key, 't' .. second, meter.cost)
    end
    redis.call('PEXPIRE', key, (call.window + 1) * 1000)
    meter.usedRequests = meter.usedRequests + 1
    meter.usedTokens = meter.usedTokens + meter.cost
  end
  if meter.parallel then
    local calls = prefix .. 'calls:' .. meter.name
    redis.call('ZADD', calls, now, call.id)
    redis.call('PEXPIRE', calls, 86400000)
  end
  return { meter.name, meter.tokens and meter.cost or 0, meter.parallel and 1 or 0 }
end

local function take(number)
  local choice = call.choices[number]
  local charged = {}
  for _, meter in ipairs(call.shared) do charged[#charged + 1] = charge(meter) end
  if choice.name then charged[#charged + 1] = charge(choice) end
  local lease = cjson.encode({ choice = number, second = second, at = now, meters = charged })
  redis.call('SET', prefix .. 'lease:' .. call.id, lease, 'PX', call.keepMs)
  return { number, left(choice.requests, choice.usedRequests), left(choice.tokens, choice.usedTokens) }
end

-- When the place of this number comes free under one of these meters. Many keys are judged by some of them.
local function freeAt(meters, place, of)
  local gains, total, start, endsPerMs = {}, 0, 0, 0
  local sample = math.min(#meters, 8)
  place = place * sample / of
  for at = 1, sample do
    local meter = meters[at]
    local key = prefix .. 'meter:' .. meter.name
    if meter.scarce == 'p' then
      endsPerMs = endsPerMs + meter.parallel / math.max(1, redis.call('HGET', key, 'mean') or 200)
    else
      local unit = meter.scarce == 't' and meter.cost or 1
      if meter.scarce == 't' then start = start + math.max(0, (meter.tokens - meter.usedTokens) / unit) end
      local held = redis.call('HGETALL', key)
      for field = 1, #held, 2 do
        local kind, of = string.match(held[field], '^([rt])(%d+)$')
        if kind == meter.scarce then
          gains[of - first] = (gains[of - first] or 0) + held[field + 1] / unit
          total = total + held[field + 1] / unit
        end
      end
    end
  end
  -- When calls end is a guess, and a place that nobody comes for is wasted: it is better to look too often.
  local soonest = endsPerMs > 0 and now + math.min(2000, math.max(20, place / endsPerMs)) or math.huge
  if total <= 0 then return soonest end
  local missing = place - start
  if missing <= 0 then return math.min(soonest, now + 500) end
  -- Those who take what comes free leave the window a window later, and so on.
  local rounds = math.ceil(missing / total) - 1
  missing = missing - rounds * total
  local due = first + call.window - 1
  local part = 1
  for at = 0, call.window - 1 do
    local gain = gains[at] or 0
    if gain > 0 then
      due = first + at
      part = math.min(1, missing / gain)
      missing = missing - gain
      if missing <= 0.000001 then break end
    end
  end
  -- Places of one second come free at once, and those who wait for them come one by one.
  return math.min(soonest, (due + call.window * (rounds + 1)) * 1000 + part * math.min(900, total))
end

local repeated = redis.call('GET', prefix .. 'lease:' .. call.id)
if repeated then return { cjson.decode(repeated).choice, -1, -1 } end

local line = call.line and prefix .. 'line:' .. call.line .. ':'
local mine = line and tonumber(redis.call('ZSCORE', line .. call.lane, call.rid) or nil)
if mine then redis.call('ZREM', line .. call.lane, call.rid) end
local dueAhead = 0
if line then
  for lane = 0, call.lane do
    local before = now
    if lane == call.lane and mine and mine <= now then before = '(' .. mine end
    dueAhead = dueAhead + redis.call('ZCOUNT', line .. lane, now - call.graceMs, before)
  end
end

local room = math.huge
for _, meter in ipairs(call.shared) do room = math.min(room, places(meter)) end
local found, sum = nil, 0
for number, choice in ipairs(call.choices) do
  local free = places(choice)
  if free > 0 then
    found = found or number
    sum = sum + free
    if sum > dueAhead then break end
  end
end
if room > dueAhead and sum > dueAhead then return take(found) end

local firstChoice = call.choices[1]
local remaining = { left(firstChoice.requests, firstChoice.usedRequests), left(firstChoice.tokens, firstChoice.usedTokens) }
local ahead = 0
if line then
  for lane = 0, call.lane do
    local before = '+inf'
    if lane == call.lane and mine then before = mine end
    ahead = ahead + redis.call('ZCOUNT', line .. lane, now - call.graceMs, before)
  end
end
local turn = now
if room > 0 and sum > 0 then turn = now + 500 end
for _, meter in ipairs(call.shared) do
  if meter.places <= 0 then turn = math.max(turn, freeAt({ meter }, ahead + 1, 1)) end
end
if sum <= 0 then turn = math.max(turn, freeAt(call.choices, ahead + 1, math.max(#call.choices, call.of))) end
turn = math.max(now + 1, math.ceil(turn))
if line then
  local key = line .. call.lane
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - call.graceMs)
  redis.call('ZADD', key, turn, call.rid)
  redis.call('PEXPIRE', key, math.max(redis.call('PTTL', key), turn - now + call.graceMs))
end
return { 0, remaining[1], remaining[2], turn - now }
