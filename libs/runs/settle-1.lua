-- The archive holds these runs: Redis may forget them after a while. Those that were deleted meanwhile stay in the
-- outbox, and unreadable, until the archive has erased them again.
-- KEYS 1 outbox
-- ARGV 1 run prefix, 2 log prefix, 3 milliseconds to keep, 4… rids
-- Reply: the rids among them that were deleted meanwhile
local deleted = {}
local settled = {}
local isFull = false
for at = 4, #ARGV do
  local rid = ARGV[at]
  local run = ARGV[1] .. rid
  local held = redis.call('HMGET', run, 'state', 'deleted')
  if held[2] then
    deleted[#deleted + 1] = rid
  else
    -- One that has not ended here ended in writes that Redis has lost; its readers are still to be told an end.
    if held[1] == 'ended' or held[1] == 'persisted' then
      -- A full Redis takes nothing more, but lets go: what the archive has is forgotten at once then, to make room.
      isFull = isFull or type(redis.pcall('HSET', run, 'state', 'persisted')) == 'table'
      if isFull then
        redis.call('DEL', run, ARGV[2] .. rid)
      else
        redis.call('PEXPIRE', run, ARGV[3])
        redis.call('PEXPIRE', ARGV[2] .. rid, ARGV[3])
      end
    end
    settled[#settled + 1] = rid
  end
end
if #settled > 0 then redis.call('ZREM', KEYS[1], unpack(settled)) end
return deleted
