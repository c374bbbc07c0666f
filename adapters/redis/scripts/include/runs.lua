-- One agent run: a hash of steps, spent, children (runs that it started and that made a step), how many
-- fingerprints it keeps ("kept"), the turn of the latest and of the oldest of them; per fingerprint "f:…"
-- its count and turn, per turn "n:…" its fingerprint.
local RUN_IDLE_MS = 90000000
local runs = {}

local function entry(value)
  if not value then return 0, 0 end
  local count, turn = string.match(value, '^(%d+) (%d+)$')
  return tonumber(count), tonumber(turn)
end

-- The run before the intent: {steps, repeats, spent, children, siblings}; it begins with its first
-- admitted step. A run that no other started has no parent.
function runs.snapshot(key, fingerprint, parent)
  local values = redis.call('HMGET', key, 'steps', 'spent', 'f:' .. fingerprint, 'children')
  local repeats = fingerprint == '' and 0 or entry(values[3])
  local siblings = parent and redis.call('HGET', parent, 'children')
  return { values[1] or '0', figure(repeats), values[2] or '0', values[4] or '0', siblings or '0' }
end

-- Forgets the fingerprint that was first seen longest ago.
local function forgetOldest(key, kept, oldest)
  while true do
    oldest = oldest + 1
    local fingerprint = redis.call('HGET', key, 'n:' .. oldest)
    if fingerprint then
      redis.call('HDEL', key, 'n:' .. oldest, 'f:' .. fingerprint)
      return kept - 1, oldest
    end
  end
end

-- Counts a step whose `before` is its snapshot.
function runs.charge(key, fingerprint, limit, cost, before, parent)
  if parent and before[1] == '0' then
    redis.call('HINCRBY', parent, 'children', 1)
    redis.call('PEXPIRE', parent, RUN_IDLE_MS)
  end
  local fields = {
    'steps', figure(tonumber(before[1]) + 1), 'spent', figure(tonumber(before[3]) + cost),
  }
  if fingerprint ~= '' then
    local values = redis.call('HMGET', key, 'f:' .. fingerprint, 'kept', 'latest', 'oldest')
    local count, turn = entry(values[1])
    if count == 0 then
      local kept, oldest = tonumber(values[2] or '0'), tonumber(values[4] or '0')
      turn = tonumber(values[3] or '0') + 1
      if kept >= limit then kept, oldest = forgetOldest(key, kept, oldest) end
      for _, value in ipairs({
        'kept', figure(kept + 1), 'latest', figure(turn), 'oldest', figure(oldest),
        'n:' .. turn, fingerprint,
      }) do
        fields[#fields + 1] = value
      end
    end
    fields[#fields + 1] = 'f:' .. fingerprint
    fields[#fields + 1] = figure(count + 1) .. ' ' .. figure(turn)
  end
  redis.call('HSET', key, unpack(fields))
  redis.call('PEXPIRE', key, RUN_IDLE_MS)
end
