-- Velocity scopes: fields of the tag's state, each one packed string of doubles: calls in flight and the
-- figures that every call changes, the cost per call among them, then birth and the others, which are
-- looked at when a window rolls or may be hot. Their parameters are packed fields of the same hash, shared.
local IN_FLIGHT = 1
local WARM_HEAD = 1
local PER_CALL = 25
local WARM = 35
local BORN = 36
local COLD_HEAD = 36
local WHOLE = 57
local WARM_BYTES = 280
local PER_CALL_PARAMETERS = 9
local WARM_PARAMETERS_ALL = 11
local PARAMETERS_FORMAT = '<' .. string.rep('d', 32)
local WARM_PARAMETERS_FORMAT = '<' .. string.rep('d', WARM_PARAMETERS_ALL)
-- The window of a scope in which nothing was counted, for it had not begun.
local NOWHERE = -9
local WARM_FORMAT = '<' .. string.rep('d', WARM)
local COLD_FORMAT = '<' .. string.rep('d', WHOLE - WARM)
local WHOLE_FORMAT = '<' .. string.rep('d', WHOLE)
local scopes = {}

-- A scope as it is kept, or one that begins now.
function scopes.open(field, kept, parameters, now)
  local scope = { field = field, kept = kept, parameters = parameters }
  if kept then
    scope.s = { struct.unpack(WARM_FORMAT, kept) }
    scope.p = { struct.unpack(WARM_PARAMETERS_FORMAT, parameters) }
    return scope
  end
  local s = {}
  for at = 1, WHOLE do s[at] = 0 end
  for at = 0, 2 do s[WARM_HEAD + at * WARM_FIGURES + INDEX] = -1 end
  s[PER_CALL + HOUR] = -1
  s[BORN] = now
  scope.s, scope.whole = s, true
  scope.p = { struct.unpack(PARAMETERS_FORMAT, parameters) }
  return scope
end

-- Unpacks the rest of it.
function scopes.thaw(scope)
  if scope.whole then return end
  scope.whole = true
  local rest = { struct.unpack(COLD_FORMAT, scope.kept, WARM_BYTES + 1) }
  for at = 1, WHOLE - WARM do scope.s[WARM + at] = rest[at] end
  scope.p = { struct.unpack(PARAMETERS_FORMAT, scope.parameters) }
end

-- Rolls and judges it, then counts an attempt, and the call and its cost if it is admitted.
function scopes.count(scope, now, retries, admitted, cost)
  local s = scope.s
  callCost.roll(s, PER_CALL, scope.p, PER_CALL_PARAMETERS, now)
  callCost.judge(s, PER_CALL, scope.p, PER_CALL_PARAMETERS)
  if admitted then
    s[IN_FLIGHT] = s[IN_FLIGHT] + 1
    callCost.charge(s, PER_CALL, scope.p, PER_CALL_PARAMETERS, cost)
  end
  for at = 0, 2 do
    local o, q, p = WARM_HEAD + at * WARM_FIGURES, at * WARM_PARAMETERS, scope.p
    local reach = s[o + COST] + s[o + COST_BEFORE]
    -- A quiet window that goes on: its limit is the floor at least, or the cold one.
    if s[o + HOT] == 1 or reach >= p[q + FLOOR] or reach >= p[q + COLD]
      or now >= (s[o + INDEX] + 1) * p[q + WINDOW_MS] then
      scopes.thaw(scope)
      p = scope.p
      local c, r = COLD_HEAD + at * COLD_FIGURES, WARM_PARAMETERS_ALL + at * COLD_PARAMETERS
      window.roll(s, o, c, p, q, r, now)
      window.judge(s, o, c, p, q, r, now, now - s[BORN])
    end
    s[o + ATTEMPTS] = s[o + ATTEMPTS] + 1
    s[o + RETRIES] = s[o + RETRIES] + retries
    if admitted then
      s[o + COST] = min(s[o + COST] + cost, LARGEST)
      s[o + CALLS] = s[o + CALLS] + 1
      if cost > s[o + DEAREST] then s[o + DEAREST] = cost end
    end
  end
end

function scopes.pack(scope)
  if scope.whole then return struct.pack(WHOLE_FORMAT, unpack(scope.s, 1, WHOLE)) end
  return struct.pack(WARM_FORMAT, unpack(scope.s, 1, WARM)) .. string.sub(scope.kept, WARM_BYTES + 1)
end

-- A scope begins with its first admitted call: what is refused leaves nothing behind.
function scopes.counts(scope, admitted)
  return admitted or scope.kept
end

-- Saves scopes; those that only calls were counted in that were taken back are forgotten.
function scopes.save(state, list)
  local fields, blank = {}, {}
  for _, scope in ipairs(list) do
    if scope.isBlank then
      blank[#blank + 1] = scope.field
    else
      fields[#fields + 1] = scope.field
      fields[#fields + 1] = scopes.pack(scope)
    end
  end
  if #fields > 0 then redis.call('HSET', state, unpack(fields)) end
  if #blank > 0 then redis.call('HDEL', state, unpack(blank)) end
end
