-- Reads a page of a run's log for its tenant; to everybody else there is no such run. A run that answered in one
-- piece has no log: its answer is told as the one entry that it would have had.
-- KEYS 1 run, 2 log
-- ARGV 1 tenant, 2 id after which to read, 3 most entries, 4 bytes after which the page is full
-- Reply: nil, or { state, entries, 1 if the log holds no more }
local run = redis.call('HMGET', KEYS[1], 'tenant', 'state', 'deleted', 'answered')
if run[1] ~= ARGV[1] or run[3] then return false end
if run[4] then
  if ARGV[2] ~= '0-0' then return { run[2], {}, 1 } end
  local told = redis.call('HMGET', KEYS[1], 'end', 'answer')
  local id, count = string.match(run[4], '^(%S+) (%d+)$')
  return { run[2], { { id, { 'n', count, 'm', 'e' .. told[1], 'd', told[2] } } }, 1 }
end
local most = tonumber(ARGV[3])
local room = tonumber(ARGV[4])
local step = 8
local entries = {}
local after = ARGV[2]
while #entries < most and room > 0 do
  local found = redis.call('XRANGE', KEYS[2], '(' .. after, '+', 'COUNT', step)
  for _, entry in ipairs(found) do
    if room <= 0 then break end
    entries[#entries + 1] = entry
    room = room - #entry[2][6]
    after = entry[1]
  end
  if #found < step and (#found == 0 or found[#found][1] == after) then return { run[2], entries, 1 } end
end
return { run[2], entries, 0 }
