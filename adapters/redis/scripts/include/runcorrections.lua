-- Steps of an agent run that did not run, or cost something else.
-- Takes a step back that did not run.
function runs.undo(key, fingerprint, cost)
  local values = redis.call('HMGET', key, 'steps', 'spent', 'f:' .. fingerprint)
  if not values[1] then return end
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

-- Corrects the cost of a step by what it really was.
function runs.correct(key, cost)
  local spent = redis.call('HGET', key, 'spent')
  if spent then redis.call('HSET', key, 'spent', figure(math.max(0, tonumber(spent) + cost))) end
end
