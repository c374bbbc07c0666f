-- Steps of an agent run that did not run, or cost something else.
-- Takes a step back that did not run.
function runs.undo(key, fingerprint, cost, parent)
  local values = redis.call('HMGET', key, 'steps', 'spent', 'f:' .. fingerprint)
  if not values[1] then return end
  if parent and values[1] == '1' then
    local children = tonumber(redis.call('HGET', parent, 'children') or '0')
    if children > 0 then redis.call('HINCRBY', parent, 'children', -1) end
  end
  redis.call(
    'HSET', key, 'steps', figure(math.max(0, tonumber(values[1]) - 1)),
    'spent', figure(math.max(0, tonumber(values[2]) - cost))
  )
  redis.call('PEXPIRE', key, RUN_IDLE_MS)
  local count, turn = entry(values[3])
  if fingerprint == '' or count == 0 then return end
  if count > 1 then
    redis.call('HSET', key, 'f:' .. fingerprint, figure(count - 1) .. ' ' .. figure(turn))
  else
    redis.call('HDEL', key, 'f:' .. fingerprint, 'n:' .. turn)
    redis.call('HINCRBY', key, 'kept', -1)
  end
end

-- Corrects the cost of a step by what it really was; what was never admitted may have cost something.
function runs.correct(key, cost)
  local values = redis.call('HMGET', key, 'steps', 'spent')
  if not values[1] and cost <= 0 then return end
  local spent = math.max(0, tonumber(values[2] or '0') + cost)
  redis.call('HSET', key, 'steps', values[1] or '0', 'spent', figure(spent))
  if cost > 0 then redis.call('PEXPIRE', key, RUN_IDLE_MS) end
end
