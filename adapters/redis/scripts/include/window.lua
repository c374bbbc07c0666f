-- Spend velocity of one scope in one window: the arithmetic of engine/velocity/window.ts, figure for
-- figure. Every figure is a double that holds an integer. The figures that every call changes are in
-- `s` after `o`, the others after `c`; parameters in `p`, after `q` and `r`. The order is that of
-- adapters/redis/scope-state.ts.
local INDEX = 1
local COST = 2
local CALLS = 3
local DEAREST = 4
local ATTEMPTS = 5
local RETRIES = 6
local COST_BEFORE = 7
local HOT = 8
local WARM_FIGURES = 8

local CALLS_BEFORE = 1
local DEAREST_BEFORE = 2
local ATTEMPTS_BEFORE = 3
local RETRIES_BEFORE = 4
local QUANTILE = 5
local LEARNT = 6
local WAS_HOT = 7
local COLD_FIGURES = 7

local WINDOW_MS = 1
local FLOOR = 2
local COLD = 3
local WARM_PARAMETERS = 3

local RATIO_PERCENT = 1
local CALLS_MIN = 2
local NEED = 3
local UP_DIV = 4
local HOT_DIV = 5
local GAP_DEN = 6
local LEAVE_PERCENT = 7
local COLD_PARAMETERS = 7

local LARGEST = 9007199254740991
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

local function learn(s, o, c, p, q, r)
  local cost, quantile = s[o + COST], s[c + QUANTILE]
  if s[c + LEARNT] < p[r + NEED] then
    cost = min(cost, p[q + COLD])
  elseif s[c + WAS_HOT] == 1 then
    if cost > quantile then
      s[c + QUANTILE] = quantile + min(cost - quantile, floor(quantile / p[r + HOT_DIV]))
    end
    return
  end
  if s[c + LEARNT] >= READY_WINDOWS then
    cost = min(cost, 2 * max(quantile, mulDiv(p[q + FLOOR], 100, p[r + RATIO_PERCENT])))
  end
  s[c + LEARNT] = s[c + LEARNT] + 1
  if s[c + LEARNT] < SETTLED_WINDOWS then
    s[c + QUANTILE] = max(quantile, cost)
  elseif cost > quantile then
    s[c + QUANTILE] = quantile + min(cost - quantile, floor(quantile / p[r + UP_DIV]) + 1)
  else
    s[c + QUANTILE] = quantile - floor(floor(quantile / p[r + UP_DIV]) / 99)
  end
end

function window.roll(s, o, c, p, q, r, now)
  local index = floor(now / p[q + WINDOW_MS])
  local gap = index - s[o + INDEX]
  if gap <= 0 then return end
  if s[o + INDEX] < 0 then
    s[o + INDEX] = index
    return
  end
  if s[o + COST] > 0 then learn(s, o, c, p, q, r) end
  if gap > 1 then
    local empty = min(gap - 1, floor(p[r + GAP_DEN] / 2))
    s[c + QUANTILE] = s[c + QUANTILE] - mulDiv(s[c + QUANTILE], empty, p[r + GAP_DEN])
  end
  local kept = gap == 1 and 1 or 0
  s[o + COST_BEFORE], s[o + COST] = kept * s[o + COST], 0
  s[c + CALLS_BEFORE], s[o + CALLS] = kept * s[o + CALLS], 0
  s[c + DEAREST_BEFORE], s[o + DEAREST] = kept * s[o + DEAREST], 0
  s[c + ATTEMPTS_BEFORE], s[o + ATTEMPTS] = kept * s[o + ATTEMPTS], 0
  s[c + RETRIES_BEFORE], s[o + RETRIES] = kept * s[o + RETRIES], 0
  s[c + WAS_HOT] = 0
  s[o + INDEX] = index
end

-- Judges the world before this intent: whether the window is hot. What a policy sees of it follows from
-- the figures, and is worked out by whoever called.
function window.judge(s, o, c, p, q, r, now, age)
  local limit = p[q + COLD]
  if age >= AGE_MS and s[c + LEARNT] >= p[r + NEED] then
    limit = max(p[q + FLOOR], mulDiv(s[c + QUANTILE], p[r + RATIO_PERCENT], 100))
  end
  local windowMs = p[q + WINDOW_MS]
  local share = floor(((windowMs - (now % windowMs)) * SHARES) / windowMs)
  local rate = s[o + COST] + mulDiv(s[o + COST_BEFORE], share, SHARES)
  if s[o + HOT] == 1 then
    if rate < mulDiv(limit, p[r + LEAVE_PERCENT], 100) then s[o + HOT] = 0 end
  else
    local calls = s[o + CALLS] + mulDiv(s[c + CALLS_BEFORE], share, SHARES)
    local dearest = max(s[o + DEAREST], mulDiv(s[c + DEAREST_BEFORE], share, SHARES))
    if rate - dearest >= limit and calls >= p[r + CALLS_MIN] then s[o + HOT] = 1 end
  end
  if s[o + HOT] == 1 then s[c + WAS_HOT] = 1 end
end
