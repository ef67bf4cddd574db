-- Lets a target rest until its limits allow more; the longest rest that was asked for counts.
-- KEYS 1 circuits that are not closed
-- ARGV 1 subject, 2 channel, 3 ms from now, 4 most entries
-- Reply: 'resting' | 'same'
local time = redis.call('TIME')
local untilMs = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3]
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held and tonumber(string.match(held, '^%S+ (%d+)')) >= untilMs then return 'same' end
if not held and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then return 'same' end
redis.call('HSET', KEYS[1], ARGV[1], 'resting ' .. string.format('%d', untilMs) .. ' 0')
redis.call('PUBLISH', ARGV[2], ARGV[1] .. '\nresting ' .. ARGV[3] .. ' 0')
return 'resting'
