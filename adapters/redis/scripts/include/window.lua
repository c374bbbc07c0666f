-- Spend velocity of one scope in one window: the arithmetic of engine/velocity/window.ts, figure for
-- figure. Every figure is a double that holds an integer. `s` holds a window's figures after `o`, `p`
-- its parameters after `q`; their order is that of adapters/redis/scope-state.ts.
local FIGURES = 15
local INDEX, COST, CALLS, DEAREST, COST_BEFORE, CALLS_BEFORE, DEAREST_BEFORE = 1, 2, 3, 4, 5, 6, 7
local ATTEMPTS, RETRIES, ATTEMPTS_BEFORE, RETRIES_BEFORE = 8, 9, 10, 11
local QUANTILE, LEARNT, WAS_HOT, HOT = 12, 13, 14, 15

local PARAMETERS = 10
local WINDOW_MS, FLOOR, COLD, RATIO_PERCENT, CALLS_MIN = 1, 2, 3, 4, 5
local NEED, UP_DIV, HOT_DIV, GAP_DEN, LEAVE_PERCENT = 6, 7, 8, 9, 10

local SHARES = 1024
local READY_WINDOWS = 5
local SETTLED_WINDOWS = 20
local AGE_MS = 86400000
local window = {}
local floor, max, min = math.floor, math.max, math.min

local function mulDiv(x, numerator, denominator)
  local quotient = floor(x / denominator)
  return quotient * numerator + floor(((x - quotient * denominator) * numerator) / denominator)
end

local function learn(s, o, p, q)
  local cost, quantile = s[o + COST], s[o + QUANTILE]
  if s[o + LEARNT] < p[q + NEED] then
    cost = min(cost, p[q + COLD])
  elseif s[o + WAS_HOT] == 1 then
    if cost > quantile then
      s[o + QUANTILE] = quantile + min(cost - quantile, floor(quantile / p[q + HOT_DIV]))
    end
    return
  end
  if s[o + LEARNT] >= READY_WINDOWS then
    cost = min(cost, 2 * max(quantile, mulDiv(p[q + FLOOR], 100, p[q + RATIO_PERCENT])))
  end
  s[o + LEARNT] = s[o + LEARNT] + 1
  if s[o + LEARNT] < SETTLED_WINDOWS then
    s[o + QUANTILE] = max(quantile, cost)
  elseif cost > quantile then
    s[o + QUANTILE] = quantile + min(cost - quantile, floor(quantile / p[q + UP_DIV]) + 1)
  else
    s[o + QUANTILE] = quantile - floor(floor(quantile / p[q + UP_DIV]) / 99)
  end
end

-- Writes a window that nothing was ever counted in.
function window.fresh(s, o)
  s[o + INDEX] = -1
  for figure = 2, FIGURES do s[o + figure] = 0 end
end

function window.roll(s, o, p, q, now)
  local index = floor(now / p[q + WINDOW_MS])
  local gap = index - s[o + INDEX]
  if gap <= 0 then return end
  if s[o + INDEX] < 0 then
    s[o + INDEX] = index
    return
  end
  if s[o + COST] > 0 then learn(s, o, p, q) end
  if gap > 1 then
    local empty = min(gap - 1, floor(p[q + GAP_DEN] / 2))
    s[o + QUANTILE] = s[o + QUANTILE] - mulDiv(s[o + QUANTILE], empty, p[q + GAP_DEN])
  end
  local kept = gap == 1 and 1 or 0
  s[o + COST_BEFORE], s[o + COST] = kept * s[o + COST], 0
  s[o + CALLS_BEFORE], s[o + CALLS] = kept * s[o + CALLS], 0
  s[o + DEAREST_BEFORE], s[o + DEAREST] = kept * s[o + DEAREST], 0
  s[o + ATTEMPTS_BEFORE], s[o + ATTEMPTS] = kept * s[o + ATTEMPTS], 0
  s[o + RETRIES_BEFORE], s[o + RETRIES] = kept * s[o + RETRIES], 0
  s[o + WAS_HOT] = 0
  s[o + INDEX] = index
end

-- Judges the world before this intent: whether the window is hot. What a policy sees of it follows from
-- the figures, and is worked out by whoever called.
function window.judge(s, o, p, q, now, age)
  local limit = p[q + COLD]
  if age >= AGE_MS and s[o + LEARNT] >= p[q + NEED] then
    limit = max(p[q + FLOOR], mulDiv(s[o + QUANTILE], p[q + RATIO_PERCENT], 100))
  end
  local hot = s[o + HOT]
  if hot == 0 and s[o + COST] + s[o + COST_BEFORE] < limit then return end
  local windowMs = p[q + WINDOW_MS]
  local share = floor(((windowMs - (now % windowMs)) * SHARES) / windowMs)
  local rate = s[o + COST] + mulDiv(s[o + COST_BEFORE], share, SHARES)
  if hot == 1 then
    if rate < mulDiv(limit, p[q + LEAVE_PERCENT], 100) then s[o + HOT] = 0 end
  else
    local calls = s[o + CALLS] + mulDiv(s[o + CALLS_BEFORE], share, SHARES)
    local dearest = max(s[o + DEAREST], mulDiv(s[o + DEAREST_BEFORE], share, SHARES))
    if rate - dearest >= limit and calls >= p[q + CALLS_MIN] then s[o + HOT] = 1 end
  end
  if s[o + HOT] == 1 then s[o + WAS_HOT] = 1 end
end

function window.attempt(s, o, retries)
  s[o + ATTEMPTS] = s[o + ATTEMPTS] + 1
  s[o + RETRIES] = s[o + RETRIES] + retries
end

function window.unattempt(s, o, index, retries)
  if index == s[o + INDEX] then
    s[o + ATTEMPTS] = max(0, s[o + ATTEMPTS] - 1)
    s[o + RETRIES] = max(0, s[o + RETRIES] - retries)
  elseif index == s[o + INDEX] - 1 then
    s[o + ATTEMPTS_BEFORE] = max(0, s[o + ATTEMPTS_BEFORE] - 1)
    s[o + RETRIES_BEFORE] = max(0, s[o + RETRIES_BEFORE] - retries)
  end
end

function window.charge(s, o, cost)
  s[o + COST] = min(s[o + COST] + cost, LARGEST)
  s[o + CALLS] = s[o + CALLS] + 1
  if cost > s[o + DEAREST] then s[o + DEAREST] = cost end
end

-- Corrects the window `index` if it is still the current or the previous one, never below zero.
function window.correct(s, o, index, cost, calls)
  if index == s[o + INDEX] then
    s[o + COST] = min(max(0, s[o + COST] + cost), LARGEST)
    s[o + CALLS] = max(0, s[o + CALLS] + calls)
  elseif index == s[o + INDEX] - 1 then
    s[o + COST_BEFORE] = min(max(0, s[o + COST_BEFORE] + cost), LARGEST)
    s[o + CALLS_BEFORE] = max(0, s[o + CALLS_BEFORE] + calls)
  end
end
