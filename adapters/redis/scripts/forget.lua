-- Forgets what was idle for long: some fields of a tag's state and balances at a time.
-- KEYS  state, balances
-- ARGV  now, idle since (ms), idle runs and principals since (ms), cursors of both, how many at a time
-- Returns {cursor of the state, cursor of the balances}; a cursor is "" once its pass is over
--- @include money
--- @include window
--- @include cost
--- @include scopes
local state, balances = KEYS[1], KEYS[2]
local now, before, principalsBefore = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local HOUR_MS = 3600000

local function idle(field, value)
  local kind = string.sub(field, 1, 2)
  if kind == 's:' then
    local s = { struct.unpack(WARM_FORMAT, value) }
    local hour = s[WARM_HEAD + 2 * WARM_FIGURES + INDEX]
    return s[IN_FLIGHT] == 0 and (hour + 1) * HOUR_MS < before
  end
  if kind == 'e:' then return struct.unpack('<d', value) * HOUR_MS < principalsBefore end
  return false
end

-- An instance without an end is idle once its figures have stood still for so long.
local function forgetBalance(field, value)
  local instance = string.sub(field, 3)
  local figures = redis.call('HMGET', balances, 'h:' .. instance, 's:' .. instance)
  if (figures[1] or '0') ~= '0' then return end
  local meta = cjson.decode(value)
  local lastMs = tonumber(meta[3])
  if lastMs == 0 then
    local seen = figures[2] or '0'
    if meta[4] ~= seen then
      redis.call('HSET', balances, field, cjson.encode({ meta[1], meta[2], 0, seen, figure(now) }))
      return
    end
    lastMs = tonumber(meta[5])
  end
  if lastMs < before then
    redis.call('HDEL', balances, field, 'h:' .. instance, 's:' .. instance)
  end
end

local function pass(key, cursor, each)
  if cursor == '' then return '' end
  local found = redis.call('HSCAN', key, cursor, 'COUNT', ARGV[6])
  for at = 1, #found[2], 2 do each(found[2][at], found[2][at + 1]) end
  return found[1] == '0' and '' or found[1]
end

local stateCursor = pass(state, ARGV[4], function(field, value)
  if idle(field, value) then redis.call('HDEL', state, field) end
end)
local balancesCursor = pass(balances, ARGV[5], function(field, value)
  if string.sub(field, 1, 2) == 'm:' then forgetBalance(field, value) end
end)
return { stateCursor, balancesCursor }
