-- Velocity scopes: fields of the tag's state, each one packed string of doubles: birth, calls in flight,
-- then the figures of each window. Windows' parameters are packed fields of the same hash, shared.
local WINDOWS = 3
local BORN, IN_FLIGHT, HEAD = 1, 2, 2
local SCOPE_FIGURES = HEAD + WINDOWS * FIGURES
local SCOPE_FORMAT = '<' .. string.rep('d', SCOPE_FIGURES)
local WINDOWS_FORMAT = '<' .. string.rep('d', WINDOWS * PARAMETERS)
local scopes = {}

function scopes.parameters(packed)
  return { struct.unpack(WINDOWS_FORMAT, packed) }
end

-- The figures of a scope as they are kept, or of one that begins now.
function scopes.open(packed, now)
  if packed then return { struct.unpack(SCOPE_FORMAT, packed) } end
  local s = { now, 0 }
  for at = 0, WINDOWS - 1 do window.fresh(s, HEAD + at * FIGURES) end
  return s
end

-- Rolls and judges a scope before the intent is counted.
function scopes.judge(s, p, now)
  local age = now - s[BORN]
  for at = 0, WINDOWS - 1 do
    local o, q = HEAD + at * FIGURES, at * PARAMETERS
    window.roll(s, o, p, q, now)
    window.judge(s, o, p, q, now, age)
  end
end

-- Counts an attempt, and the call and its cost if it is admitted.
function scopes.count(s, retries, admitted, cost)
  if admitted then s[IN_FLIGHT] = s[IN_FLIGHT] + 1 end
  for at = 0, WINDOWS - 1 do
    local o = HEAD + at * FIGURES
    window.attempt(s, o, retries)
    if admitted then window.charge(s, o, cost) end
  end
end

function scopes.pack(s)
  return struct.pack(SCOPE_FORMAT, unpack(s, 1, SCOPE_FIGURES))
end

-- Appends the indexes of a scope's windows: where a reservation counted.
function scopes.mark(marks, s)
  for at = 0, WINDOWS - 1 do marks[#marks + 1] = s[HEAD + at * FIGURES + INDEX] end
end

function scopes.packMarks(marks)
  if #marks == 0 then return '' end
  return struct.pack('<' .. string.rep('d', #marks), unpack(marks))
end

-- Scopes in which a reservation counted, with their marks. `names` is a flat JSON list of the field of
-- each scope and the field of its windows.
function scopes.counted(state, names, packedMarks)
  local list, marks, flat = {}, {}, names == '' and {} or cjson.decode(names)
  if #flat == 0 or packedMarks == '' then return list end
  local values = redis.call('HMGET', state, unpack(flat))
  marks = { struct.unpack('<' .. string.rep('d', #flat / 2 * WINDOWS), packedMarks) }
  for at = 1, #flat / 2 do
    local packed, parameters = values[2 * at - 1], values[2 * at]
    if packed and parameters then
      list[#list + 1] = {
        field = flat[2 * at - 1], s = scopes.open(packed), p = scopes.parameters(parameters),
        marks = marks, first = (at - 1) * WINDOWS,
      }
    end
  end
  return list
end

-- Corrects what a reservation counted; without `calls` the cost is added to the windows of now.
function scopes.correct(list, cost, calls, now)
  for _, scope in ipairs(list) do
    for at = 0, WINDOWS - 1 do
      local s, o = scope.s, HEAD + at * FIGURES
      window.roll(s, o, scope.p, at * PARAMETERS, now)
      window.correct(s, o, calls and scope.marks[scope.first + at + 1] or s[o + INDEX], cost, calls or 0)
    end
  end
end

function scopes.unattempt(list, retries)
  for _, scope in ipairs(list) do
    for at = 0, WINDOWS - 1 do
      window.unattempt(scope.s, HEAD + at * FIGURES, scope.marks[scope.first + at + 1], retries)
    end
  end
end

function scopes.land(list)
  for _, scope in ipairs(list) do scope.s[IN_FLIGHT] = max(0, scope.s[IN_FLIGHT] - 1) end
end

function scopes.save(state, list)
  if #list == 0 then return end
  local fields = {}
  for at, scope in ipairs(list) do
    fields[2 * at - 1] = scope.field
    fields[2 * at] = scopes.pack(scope.s)
  end
  redis.call('HSET', state, unpack(fields))
end
