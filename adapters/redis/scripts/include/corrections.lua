-- Velocity scopes in which a reservation counted, each with the indexes of its windows at that time.

-- `flat` is a list of the field of each scope and the field of its windows; `packed` the marks.
function scopes.counted(state, flat, packed)
  local list = {}
  if #flat == 0 or packed == '' then return list end
  local values = redis.call('HMGET', state, unpack(flat))
  local marks = { struct.unpack('<' .. string.rep('d', #flat / 2 * 3), packed) }
  for at = 1, #flat / 2 do
    local kept, parameters = values[2 * at - 1], values[2 * at]
    if kept and parameters then
      local scope = scopes.open(flat[2 * at - 1], kept, parameters)
      scopes.thaw(scope)
      scope.marks, scope.first = marks, (at - 1) * 3
      list[#list + 1] = scope
    end
  end
  return list
end

-- Corrects a window `index` if it is still the current or the previous one, never below zero.
local function correctWindow(s, o, c, index, cost, calls)
  if index == s[o + INDEX] then
    s[o + COST] = min(max(0, s[o + COST] + cost), LARGEST)
    s[o + CALLS] = max(0, s[o + CALLS] + calls)
  elseif index == s[o + INDEX] - 1 then
    s[o + COST_BEFORE] = min(max(0, s[o + COST_BEFORE] + cost), LARGEST)
    s[c + CALLS_BEFORE] = max(0, s[c + CALLS_BEFORE] + calls)
  end
end

-- Corrects what a reservation counted; without `calls` the cost is added to the windows of now.
function scopes.correct(list, cost, calls, now)
  for _, scope in ipairs(list) do
    local s, p = scope.s, scope.p
    for at = 0, 2 do
      local o, c = WARM_HEAD + at * WARM_FIGURES, COLD_HEAD + at * COLD_FIGURES
      local q, r = at * WARM_PARAMETERS, WARM_PARAMETERS_ALL + at * COLD_PARAMETERS
      window.roll(s, o, c, p, q, r, now)
      local index = calls and scope.marks[scope.first + at + 1] or s[o + INDEX]
      correctWindow(s, o, c, index, cost, calls or 0)
    end
    callCost.roll(s, PER_CALL, p, PER_CALL_PARAMETERS, now)
    local hour = calls and scope.marks[scope.first + 3] or s[PER_CALL + HOUR]
    callCost.correct(s, PER_CALL, p, PER_CALL_PARAMETERS, hour, cost, calls or 0)
  end
end

-- Marks scopes in which no call is counted any more and that have learnt nothing: they are not saved.
function scopes.dropBlank(list)
  for _, scope in ipairs(list) do
    local s = scope.s
    local figures = s[IN_FLIGHT] + s[PER_CALL + HOUR_CALLS] + s[PER_CALL + WEIGHT]
    for at = 0, 2 do
      local o, c = WARM_HEAD + at * WARM_FIGURES, COLD_HEAD + at * COLD_FIGURES
      figures = figures + s[o + CALLS] + s[c + CALLS_BEFORE] + s[o + COST] + s[o + COST_BEFORE]
      figures = figures + s[c + LEARNT]
    end
    scope.isBlank = figures == 0
  end
end

-- Takes an attempt back: it is about to be judged again, as if it were new.
function scopes.unattempt(list, retries)
  for _, scope in ipairs(list) do
    local s = scope.s
    for at = 0, 2 do
      local o, c = WARM_HEAD + at * WARM_FIGURES, COLD_HEAD + at * COLD_FIGURES
      local index = scope.marks[scope.first + at + 1]
      if index == s[o + INDEX] then
        s[o + ATTEMPTS] = max(0, s[o + ATTEMPTS] - 1)
        s[o + RETRIES] = max(0, s[o + RETRIES] - retries)
      elseif index == s[o + INDEX] - 1 then
        s[c + ATTEMPTS_BEFORE] = max(0, s[c + ATTEMPTS_BEFORE] - 1)
        s[c + RETRIES_BEFORE] = max(0, s[c + RETRIES_BEFORE] - retries)
      end
    end
  end
end

function scopes.land(list)
  for _, scope in ipairs(list) do scope.s[IN_FLIGHT] = max(0, scope.s[IN_FLIGHT] - 1) end
end
