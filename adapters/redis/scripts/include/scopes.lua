-- Velocity scopes: fields of the tag's state, each one packed string of doubles: calls in flight and the
-- figures that every call changes, then birth and the others, which are looked at when a window rolls or
-- may be hot. Parameters of windows are packed fields of the same hash, shared.
local IN_FLIGHT = 1
local WARM_HEAD = 1
local WARM = 25
local BORN = 26
local COLD_HEAD = 26
local WHOLE = 47
local WARM_BYTES = 200
local WARM_PARAMETERS_ALL = 9
local WARM_FORMAT = '<' .. string.rep('d', WARM)
local COLD_FORMAT = '<' .. string.rep('d', WHOLE - WARM)
local WHOLE_FORMAT = '<' .. string.rep('d', WHOLE)
local scopes = {}

-- A scope as it is kept, or one that begins now.
function scopes.open(field, kept, parameters, now)
  local scope = { field = field, kept = kept, parameters = parameters }
  if kept then
    scope.s = { struct.unpack(WARM_FORMAT, kept) }
    scope.p = { struct.unpack('<ddddddddd', parameters) }
    return scope
  end
  local s = {}
  for at = 1, WHOLE do s[at] = 0 end
  for at = 0, 2 do s[WARM_HEAD + at * WARM_FIGURES + INDEX] = -1 end
  s[BORN] = now
  scope.s, scope.whole = s, true
  scope.p = { struct.unpack('<' .. string.rep('d', 30), parameters) }
  return scope
end

-- Unpacks the rest of it.
function scopes.thaw(scope)
  if scope.whole then return end
  scope.whole = true
  local rest = { struct.unpack(COLD_FORMAT, scope.kept, WARM_BYTES + 1) }
  for at = 1, WHOLE - WARM do scope.s[WARM + at] = rest[at] end
  scope.p = { struct.unpack('<' .. string.rep('d', 30), scope.parameters) }
end

-- Rolls and judges its windows, then counts an attempt, and the call and its cost if it is admitted.
function scopes.count(scope, now, retries, admitted, cost)
  local s = scope.s
  if admitted then s[IN_FLIGHT] = s[IN_FLIGHT] + 1 end
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

function scopes.save(state, list)
  if #list == 0 then return end
  local fields = {}
  for at, scope in ipairs(list) do
    fields[2 * at - 1] = scope.field
    fields[2 * at] = scopes.pack(scope)
  end
  redis.call('HSET', state, unpack(fields))
end
