-- The archive holds these runs: Redis may forget them after a while, and those that were deleted at once.
-- KEYS 1 outbox
-- ARGV 1 run prefix, 2 body prefix, 3 log prefix, 4 milliseconds to keep, 5… rids
-- Reply: the rids among them that were deleted meanwhile, so that the archive can erase them
local erased = {}
for at = 5, #ARGV do
  local rid = ARGV[at]
  local run = ARGV[1] .. rid
  local held = redis.call('HMGET', run, 'state', 'deleted')
  if held[2] then
    erased[#erased + 1] = rid
    redis.call('DEL', run, ARGV[2] .. rid, ARGV[3] .. rid)
  elseif held[1] then
    redis.call('HSET', run, 'state', 'persisted')
    redis.call('PEXPIRE', run, ARGV[4])
    redis.call('PEXPIRE', ARGV[3] .. rid, ARGV[4])
    redis.call('DEL', ARGV[2] .. rid)
  end
  redis.call('ZREM', KEYS[1], rid)
end
return erased
