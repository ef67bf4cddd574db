-- Reads which providers' keys rest. What is over is forgotten; a refused key stays until it has worked again, or until
-- nobody has asked for it for a day.
-- KEYS 1 resting
-- ARGV 1 milliseconds of that day
-- Reply: for each, provider and key, reason, milliseconds until the rest is over
local held = redis.call('HGETALL', KEYS[1])
if #held == 0 then return {} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local reply = {}
for at = 1, #held, 2 do
  local till, reason = string.match(held[at + 1], '^(%d+) (%a+)$')
  local left = till - now
  if left > 0 or (reason == 'refused' and left > -ARGV[1]) then
    reply[#reply + 1] = { held[at], reason, left }
  else
    redis.call('HDEL', KEYS[1], held[at])
  end
end
return reply
