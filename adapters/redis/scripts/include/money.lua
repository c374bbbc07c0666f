-- Whole numbers as decimal text, exact at any size. Doubles where they are exact; beyond, {high, low} in
-- base 1e9. Balances themselves are changed by HINCRBY alone.
local BASE = 1000000000
local EXACT = 4500000000000000
local money = {}

local function figure(value)
  return string.format('%.0f', value)
end

local function carried(high, low)
  -- Plus 0: a negative zero would be written with its sign.
  if low >= 0 and low < BASE then return { high + 0, low + 0 } end
  local carry = math.floor(low / BASE)
  return { high + carry, low - carry * BASE }
end

local function parts(digits)
  if string.byte(digits) == 45 then
    local positive = parts(string.sub(digits, 2))
    return carried(-positive[1], -positive[2])
  end
  if #digits <= 9 then return { 0, tonumber(digits) } end
  return { tonumber(string.sub(digits, 1, -10)), tonumber(string.sub(digits, -9)) }
end

local function textOf(one)
  if one[1] < 0 then return '-' .. textOf(carried(-one[1], -one[2])) end
  if one[1] == 0 then return figure(one[2]) end
  return string.format('%.0f%09.0f', one[1], one[2])
end

local function sum(one, other, sign)
  local x, y = tonumber(one), tonumber(other)
  if x < EXACT and x > -EXACT and y < EXACT and y > -EXACT then return figure(x + sign * y) end
  local a, b = parts(one), parts(other)
  return textOf(carried(a[1] + sign * b[1], a[2] + sign * b[2]))
end

function money.plus(one, other)
  return sum(one, other, 1)
end

function money.minus(one, other)
  return sum(one, other, -1)
end

function money.negative(one)
  if one == '0' then return one end
  if string.byte(one) == 45 then return string.sub(one, 2) end
  return '-' .. one
end

function money.less(one, other)
  local x, y = tonumber(one), tonumber(other)
  -- Rounding keeps the order; only equal doubles may hide a difference.
  if x ~= y then return x < y end
  local a, b = parts(one), parts(other)
  if a[1] ~= b[1] then return a[1] < b[1] end
  return a[2] < b[2]
end

-- Within what a 64-bit integer command can hold, with room to spare.
function money.fitsInteger(one)
  local x = tonumber(one)
  return x > -9.2e18 and x < 9.2e18
end
