-- Adds to the board what one process did since it last told. What runs is told as it is, and added up over the
-- processes; one that has died without a word is taken out of the sums by the next that tells.
-- KEYS 1 board, 2 calls of this process, as it last told, 3 processes by their last word, 4 circuits, 5 whether it was swept
-- ARGV 1 process, 2 what comes before a process in the key of its calls, 3 ms of silence after which a process is dead,
--      4 most targets, 5 ms after which what was not called is forgotten, and then for each target:
--      6 its name, 7 calls that run, 8 requests and 9 tokens since it last told, 10 mean latency in ms, 11 calls it is the mean of
-- Reply: number of targets on the board
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local minute = math.floor(now / 60000)

-- A target's line: calls that run, the minute, its requests, its tokens, latency or -1, when it was last measured,
-- when the target was last called.
local function read(line)
  local running, at, requests, tokens, latency, measured, called =
    string.match(line or '0 0 0 0 -1 0 0', '^(%d+) (%d+) (%d+) (%d+) (%S+) (%d+) (%d+)$')
  local isOver = tonumber(at) ~= minute
  return {
    running = tonumber(running),
    requests = isOver and 0 or tonumber(requests),
    tokens = isOver and 0 or tonumber(tokens),
    latency = tonumber(latency),
    measured = tonumber(measured),
    called = tonumber(called),
  }
end

local function write(target, is)
  redis.call('HSET', KEYS[1], target, string.format('%d %d %d %d %.1f %d %d',
    math.max(0, is.running), minute, is.requests, is.tokens, is.latency, is.measured, is.called))
end

local function remove(told)
  local fields = redis.call('HGETALL', told)
  for at = 1, #fields, 2 do
    local line = redis.call('HGET', KEYS[1], fields[at])
    if line then
      local is = read(line)
      is.running = is.running - fields[at + 1]
      write(fields[at], is)
    end
  end
  redis.call('DEL', told)
end

for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now - ARGV[3])) do
  if dead ~= ARGV[1] then
    remove(ARGV[2] .. dead)
    redis.call('ZREM', KEYS[3], dead)
  end
end

for at = 6, #ARGV, 6 do
  local target = ARGV[at]
  local line = redis.call('HGET', KEYS[1], target)
  if line or redis.call('HLEN', KEYS[1]) < tonumber(ARGV[4]) then
    local is = read(line)
    local samples = tonumber(ARGV[at + 5])
    is.running = is.running - (redis.call('HGET', KEYS[2], target) or 0) + ARGV[at + 1]
    is.requests = is.requests + ARGV[at + 2]
    is.tokens = is.tokens + ARGV[at + 3]
    is.called = now
    if samples > 0 then
      -- What was measured long ago says nothing about now.
      if is.latency < 0 or now - is.measured > tonumber(ARGV[5]) then is.latency = tonumber(ARGV[at + 4])
      else is.latency = is.latency + (ARGV[at + 4] - is.latency) * (1 - 0.9 ^ samples) end
      is.measured = now
    end
    write(target, is)
    if ARGV[at + 1] == '0' then redis.call('HDEL', KEYS[2], target)
    else redis.call('HSET', KEYS[2], target, ARGV[at + 1]) end
  end
end
redis.call('ZADD', KEYS[3], now, ARGV[1])
for index = 1, 3 do redis.call('PEXPIRE', KEYS[index], 3600000) end

-- Once a minute, by whoever comes first: names that nobody calls any more, which may be a client's inventions.
if redis.call('SET', KEYS[5], 1, 'NX', 'PX', 60000) then
  local fields = redis.call('HGETALL', KEYS[1])
  for at = 1, #fields, 2 do
    local is = read(fields[at + 1])
    if is.running == 0 and now - is.called > tonumber(ARGV[5]) then redis.call('HDEL', KEYS[1], fields[at]) end
  end
  fields = redis.call('HGETALL', KEYS[4])
  for at = 1, #fields, 2 do
    local state, untilMs = string.match(fields[at + 1], '^(%S+) (%d+)')
    if now - untilMs > (state == 'resting' and 0 or 3600000) then redis.call('HDEL', KEYS[4], fields[at]) end
  end
end
return redis.call('HLEN', KEYS[1])
