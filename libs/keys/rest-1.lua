-- Lets a provider's key rest, or work again, and tells all processes. A rest does not end before one that was asked for
-- earlier; a refusal takes its place.
-- KEYS 1 resting
-- ARGV 1 provider and key, 2 'limited' | 'refused', 3 milliseconds, 0 to work again, 4 channel
-- Reply: milliseconds until the rest is over
if tonumber(ARGV[3]) <= 0 then
  if redis.call('HDEL', KEYS[1], ARGV[1]) == 1 then redis.call('PUBLISH', ARGV[4], ARGV[1] .. ' ' .. ARGV[2] .. ' 0') end
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local till = now + tonumber(ARGV[3])
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held and ARGV[2] == 'limited' then
  local was, reason = string.match(held, '^(%d+) (%a+)$')
  if reason == 'refused' then return was - now end
  till = math.max(till, tonumber(was))
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %s', till, ARGV[2]))
redis.call('PUBLISH', ARGV[4], ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. (till - now))
return till - now
