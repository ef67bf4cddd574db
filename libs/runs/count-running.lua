-- How many runs a tenant with a limit has running at a provider. Text that scripts include. Asked only when it may have
-- reached its limit, and then put right: what the loss of a record has left behind is not among all that run any more,
-- and becomes the oldest in time.
local function countRunning(own, all, limit)
  local count = redis.call('ZCARD', own)
  while count >= limit do
    local oldest = redis.call('ZRANGE', own, 0, 0)[1]
    if redis.call('ZSCORE', all, oldest) then return count end
    redis.call('ZREM', own, oldest)
    count = count - 1
  end
  return count
end
