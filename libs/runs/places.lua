-- Where a run stands in the queue of its provider, beside the sets of all that wait and all that run: the same by
-- tenant, by which the tenant's limits are counted, and the order of its lane. Text that scripts include; `queue` is
-- what the names of all these keys begin with, since only the run's record knows its tenant and lane.
--
-- The order is start-time fair queuing (Goyal, Vin, Cheng: "Start-time Fair Queuing", SIGCOMM 1996). A run is tagged
-- with its tenant's last tag and what that one cost, or with the virtual time if that is later: so a tenant that comes
-- after a pause stands beside the others and not before them. The virtual time is the highest tag that was served. A
-- run costs as many ticks as there are in a round, divided by its tenant's weight: in each round a tenant is served as
-- often as its weight says. Tags are exact; a job's priority has the round alone, within which jobs go as they came.

local ticksInRound = 1000000
local roundsInLane = 699050

-- How many the tenant has there. Asked only when it may have reached its limit, and then put right: what the loss of
-- a record has left behind is not among all any more, and becomes the oldest in time.
local function countOwn(own, all, limit)
  local count = redis.call('ZCARD', own)
  while count >= limit do
    local oldest = redis.call('ZRANGE', own, 0, 0)[1]
    if redis.call('ZSCORE', all, oldest) then return count end
    redis.call('ZREM', own, oldest)
    count = count - 1
  end
  return count
end

-- The tag of the tenant's next run.
local function takeTag(queue, lane, tenant, cost)
  local tags = queue .. ':tags:' .. lane
  local held = redis.call('HMGET', tags, ':served', tenant)
  local tag = math.max(tonumber(held[1] or 0), tonumber(held[2] or 0))
  redis.call('HSET', tags, tenant, string.format('%.0f', tag + cost))
  return tag
end

-- The job's priority. The lane's last one takes all that would come after it, in the order of arrival.
local function toPriority(first, tag)
  return first + math.min(math.floor(tag / ticksInRound), roundsInLane - 1)
end

-- A run without a tag is not in the order of its lane: its job goes before all that have one.
local function joinWaiting(waiting, queue, run, now)
  redis.call('ZADD', waiting, now, run.rid)
  redis.call('ZADD', queue .. ':waiting:' .. run.tenant, now, run.rid)
  if run.tag then
    redis.call('ZADD', queue .. ':order:' .. run.lane, string.format('%.0f', run.tag), run.rid)
  end
end

-- `isServed`: a worker calls for it; else it ends so, and its tenant gets back what it had cost. Where nothing waits
-- there is nothing to be fair about: tags begin at 0 again.
local function leaveWaiting(waiting, queue, run, isServed)
  redis.call('ZREM', waiting, run.rid)
  redis.call('ZREM', queue .. ':waiting:' .. run.tenant, run.rid)
  if not run.tag then return end
  local tags = queue .. ':tags:' .. run.lane
  local order = queue .. ':order:' .. run.lane
  if redis.call('ZREM', order, run.rid) == 0 then return end
  if redis.call('EXISTS', order) == 0 then
    redis.call('DEL', tags)
  elseif not isServed then
    redis.call('HINCRBY', tags, run.tenant, -run.cost)
  elseif tonumber(run.tag) > tonumber(redis.call('HGET', tags, ':served') or 0) then
    redis.call('HSET', tags, ':served', run.tag)
  end
end

-- A run that comes back to its queue has had its turn, and is the first of its lane.
local function goFirst(key, run, first)
  if not run.tag then return end
  run.tag = 0
  redis.call('HSET', key, 'tag', 0, 'priority', first)
end

local function joinRunning(running, queue, run, now)
  redis.call('ZADD', running, now, run.rid)
  redis.call('ZADD', queue .. ':running:' .. run.tenant, now, run.rid)
end

local function leaveRunning(running, queue, run)
  redis.call('ZREM', running, run.rid)
  redis.call('ZREM', queue .. ':running:' .. run.tenant, run.rid)
end
