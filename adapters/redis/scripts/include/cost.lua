-- What a call of one scope costs against what its calls usually cost: the arithmetic of
-- engine/velocity/call-cost.ts, figure for figure. `s` holds its figures after `o`, `p` its parameters
-- after `q`; their order is that of adapters/redis/scope-state.ts.
local COST_FIGURES = 10
local HOUR, HOUR_COST, HOUR_CALLS, USUAL, WEIGHT, HOURS_LEARNT = 1, 2, 3, 4, 5, 6
local EXCESS, FELL_MS, HOUR_WAS_HOT, COST_HOT = 7, 8, 9, 10

local COST_PARAMETERS = 2
local COST_FLOOR, COST_RATIO = 1, 2

local HOUR_LENGTH_MS = 3600000
local HOURS_NEEDED, CALLS_NEEDED = 24, 20
local USUAL_CALLS, PARTS = 40, 8
local CALLS_PER_HOUR, CALLS_PER_HOT_HOUR, CALLS_KEPT = 64, 16, 512
local COST_LEAVE_PERCENT, MOST_PERCENT = 70, 125
local callCost = {}

local function limitOf(s, o, p, q)
  return max(p[q + COST_FLOOR], min(USUAL_CALLS * s[o + USUAL], LARGEST))
end

local function isArmed(s, o)
  return s[o + HOURS_LEARNT] >= HOURS_NEEDED and s[o + WEIGHT] >= CALLS_NEEDED
end

local function raise(s, o, p, q, by)
  local excess = s[o + EXCESS] + by
  if excess <= 0 then
    s[o + EXCESS] = 0
    return
  end
  s[o + EXCESS] = min(excess, mulDiv(limitOf(s, o, p, q), MOST_PERCENT, 100), LARGEST)
end

local function learnHour(s, o)
  local mean = floor(s[o + HOUR_COST] / s[o + HOUR_CALLS])
  local calls = min(s[o + HOUR_CALLS], s[o + HOUR_WAS_HOT] == 1 and CALLS_PER_HOT_HOUR or CALLS_PER_HOUR)
  s[o + USUAL] = s[o + USUAL] + mulDiv(mean - s[o + USUAL], calls, s[o + WEIGHT] + calls)
  s[o + WEIGHT] = min(CALLS_KEPT, s[o + WEIGHT] + calls)
  s[o + HOURS_LEARNT] = min(HOURS_NEEDED, s[o + HOURS_LEARNT] + 1)
end

function callCost.fresh(s, o)
  s[o + HOUR] = -1
  for figure = 2, COST_FIGURES do s[o + figure] = 0 end
end

function callCost.roll(s, o, p, q, now)
  if now > s[o + FELL_MS] and s[o + EXCESS] == 0 then
    s[o + FELL_MS] = now
  elseif now > s[o + FELL_MS] then
    local passed = min(HOUR_LENGTH_MS * 2, now - s[o + FELL_MS])
    s[o + EXCESS] = max(0, s[o + EXCESS] - mulDiv(limitOf(s, o, p, q), passed, HOUR_LENGTH_MS))
    s[o + FELL_MS] = now
  end
  local hour = floor(now / HOUR_LENGTH_MS)
  if hour <= s[o + HOUR] then return end
  if s[o + HOUR_CALLS] > 0 then learnHour(s, o) end
  s[o + HOUR], s[o + HOUR_COST], s[o + HOUR_CALLS], s[o + HOUR_WAS_HOT] = hour, 0, 0, 0
end

-- Judges the world before this intent: whether the scope is hot. What a policy sees of it follows from
-- the figures, and is worked out by whoever called.
function callCost.judge(s, o, p, q)
  if s[o + EXCESS] == 0 and s[o + COST_HOT] == 0 then return end
  local limit = limitOf(s, o, p, q)
  if s[o + COST_HOT] == 1 then
    if s[o + EXCESS] < mulDiv(limit, COST_LEAVE_PERCENT, 100) then s[o + COST_HOT] = 0 end
  elseif s[o + EXCESS] >= limit and isArmed(s, o) then
    s[o + COST_HOT] = 1
  end
  if s[o + COST_HOT] == 1 then s[o + HOUR_WAS_HOT] = 1 end
end

function callCost.charge(s, o, p, q, cost)
  local counted = min(cost, floor(limitOf(s, o, p, q) / PARTS))
  s[o + HOUR_COST] = min(s[o + HOUR_COST] + counted, LARGEST)
  s[o + HOUR_CALLS] = s[o + HOUR_CALLS] + 1
  if isArmed(s, o) then
    raise(s, o, p, q, counted - mulDiv(s[o + USUAL], p[q + COST_RATIO], 100))
  end
end

-- Corrects what a call of `hour` was counted for; nothing that is taken back can raise the excess.
function callCost.correct(s, o, p, q, hour, cost, calls)
  if hour < s[o + HOUR] - 1 then return end
  local part = floor(limitOf(s, o, p, q) / PARTS)
  local counted = max(-part, min(cost, part))
  if hour == s[o + HOUR] then
    s[o + HOUR_COST] = min(max(0, s[o + HOUR_COST] + counted), LARGEST)
    s[o + HOUR_CALLS] = max(0, s[o + HOUR_CALLS] + calls)
  end
  if not isArmed(s, o) then return end
  if calls < 0 then counted = min(0, counted + mulDiv(s[o + USUAL], p[q + COST_RATIO], 100)) end
  raise(s, o, p, q, counted)
end
