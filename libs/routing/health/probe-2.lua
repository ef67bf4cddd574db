-- Asks for a call to a subject whose circuit is not closed, as far as the caller knows. `judge` tells of the states.
-- KEYS 1 circuit of the subject, 2 circuits that are not closed
-- ARGV 1 subject, 2 channel, 3 token of the call, 4 probes, 5 for how long a probe may be silent before another may take its place
-- Reply: { 'call' } | { 'probe', what it is called } | { 'open', ms until it is worth asking again }
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local circuit = redis.call('HMGET', KEYS[1], 'state', 'until', 'opens', 'well')
local state, opens = circuit[1], circuit[3]
if not state then
  -- Redis has lost the circuit, or forgotten it, and what the others believe must not outlive it.
  if redis.call('HDEL', KEYS[2], ARGV[1]) == 1 then
    redis.call('PUBLISH', ARGV[2], ARGV[1] .. '\nclosed 0 0')
  end
  return { 'call' }
end
if state == 'open' then
  if now < tonumber(circuit[2]) then return { 'open', circuit[2] - now } end
  redis.call('HSET', KEYS[1], 'state', 'half-open', 'well', 0)
  redis.call('HSET', KEYS[2], ARGV[1], 'half-open ' .. circuit[2] .. ' ' .. opens)
  redis.call('PUBLISH', ARGV[2], ARGV[1] .. '\nhalf-open 0 ' .. opens)
end
local taken, freeInMs = 0, tonumber(ARGV[5])
local fields = redis.call('HGETALL', KEYS[1])
for at = 1, #fields, 2 do
  if string.sub(fields[at], 1, 6) == 'probe ' then
    local leftMs = fields[at + 1] - now
    if leftMs <= 0 then
      redis.call('HDEL', KEYS[1], fields[at])
    else
      taken = taken + 1
      freeInMs = math.min(freeInMs, leftMs)
    end
  end
end
if taken + tonumber(circuit[4] or 0) >= tonumber(ARGV[4]) then return { 'open', freeInMs } end
redis.call('HSET', KEYS[1], 'probe ' .. ARGV[3], now + tonumber(ARGV[5]))
redis.call('PEXPIRE', KEYS[1], 3600000)
return { 'probe', opens .. ' ' .. ARGV[3] }
