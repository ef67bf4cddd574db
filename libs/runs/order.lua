-- The order in which the runs of a lane have their turn at a provider. Text that scripts include.
--
-- It is start-time fair queuing (Goyal, Vin, Cheng: "Start-time Fair Queuing", SIGCOMM 1996). A run is tagged
-- with its tenant's last tag and what that one cost, or with the virtual time if that is later: so a tenant that comes
-- after a pause stands beside the others and not before them. The virtual time is the highest tag that was served. A
-- run costs as many ticks as there are in a round, divided by its tenant's weight: in each round a tenant is served as
-- often as its weight says. Tags are exact; a job's priority has the round alone, within which jobs go as they came.
--
-- An order is a hash: `:served` is the virtual time, `:waiting` how many runs are in it; and of each tenant, its name has
-- the tag of its next run, and its name with `:waiting` how many it has there. It is gone when no run is in it: then there
-- is nothing to be fair about, and tags begin at 0 again. A run is `{ tenant, tag, cost }`; one without a tag is not in
-- it, and its job goes before all that are.

local ticksInRound = 1000000
local roundsInLane = 699050

-- `waiting`, if it is known, is how many wait at the provider: when nobody does, what is left of an order was lost.
local function readOrder(order, tenant, waiting)
  local held = redis.call('HMGET', order, ':served', ':waiting', tenant, tenant .. ':waiting')
  if waiting == 0 and held[2] then
    redis.call('DEL', order)
    held = {}
  end
  return {
    served = tonumber(held[1]) or 0,
    waiting = tonumber(held[2]) or 0,
    next = tonumber(held[3]) or 0,
    own = tonumber(held[4]) or 0,
  }
end

local function countWaiting(queue, tenant)
  local count = 0
  for _, lane in ipairs({ 'interactive', 'standard', 'batch' }) do
    count = count + (redis.call('HGET', queue .. ':order:' .. lane, tenant .. ':waiting') or 0)
  end
  return count
end

-- `held` is what was read of the order. The run gets its tag.
local function joinOrder(order, held, run)
  run.tag = math.max(held.served, held.next)
  redis.call('HSET', order, run.tenant, run.tag + run.cost, ':waiting', held.waiting + 1, run.tenant .. ':waiting',
    held.own + 1)
end

-- A run that comes back has had its turn, and is the first.
local function comeBack(key, order, run, first)
  if not run.tag then return end
  redis.call('HSET', key, 'tag', 0, 'priority', first)
  redis.call('HINCRBY', order, ':waiting', 1)
  redis.call('HINCRBY', order, run.tenant .. ':waiting', 1)
end

-- `isServed`: a worker calls for it; else it ends so, and its tenant gets back what it had cost.
local function leaveOrder(order, run, isServed)
  if not run.tag then return end
  local held = readOrder(order, run.tenant)
  if held.waiting <= 1 then
    redis.call('DEL', order)
  elseif isServed then
    redis.call('HSET', order, ':served', math.max(held.served, tonumber(run.tag)), ':waiting', held.waiting - 1,
      run.tenant .. ':waiting', held.own - 1)
  else
    redis.call('HSET', order, run.tenant, held.next - run.cost, ':waiting', held.waiting - 1,
      run.tenant .. ':waiting', held.own - 1)
  end
end

-- The job's priority. The lane's last one takes all that would come after it, in the order of arrival.
local function toPriority(first, tag)
  return first + math.min(math.floor(tag / ticksInRound), roundsInLane - 1)
end
