-- Budget instances of a tag: one hash; "h:…" what an instance holds, "s:…" what is settled on it, "m:…"
-- what names it: [budget, unit, end].
local balances = {}

-- The world before the intent: what is used of each hold's instances; then whether all fit, whether all
-- can be held at all (a change that is no 64-bit integer would fail half way), and whether each is new.
function balances.judge(ask, values)
  local used, new, fits, holdable, at = {}, {}, true, true, 0
  for position = 1, ask.holds do
    local from = ask.firstHold + (position - 1) * 3
    local parts, limit, amount = tonumber(ARGV[from]), ARGV[from + 1], ARGV[from + 2]
    local sum, exact, first = 0, true, at
    for part = first + 1, first + math.abs(parts) * 2 do
      local value = values[part]
      if value then
        local one = tonumber(value)
        sum = sum + one
        if one < 0 then exact = false end
      end
      at = part
    end
    new[position] = not values[at - 1]
    local wanted, enough = sum + tonumber(amount)
    if exact and wanted < EXACT then
      used[position] = sum
      enough = wanted <= tonumber(limit)
    else
      local text = '0'
      for part = first + 1, at do if values[part] then text = money.plus(text, values[part]) end end
      used[position] = text
      local total = money.plus(text, amount)
      enough = not money.less(limit, total)
      if not money.fitsInteger(total) then holdable = false end
    end
    -- Soft ones have their parts below zero.
    if parts > 0 and not enough and amount ~= '0' then fits = false end
  end
  return used, fits, holdable, new
end

-- Holds all; `holds` are as the reservation keeps them, by sevens, for instances that are new.
function balances.hold(key, ask, new, holds)
  local field = ask.firstBalance
  for position = 1, ask.holds do
    local from = ask.firstHold + (position - 1) * 3
    field = field + math.abs(tonumber(ARGV[from])) * 2
    redis.call('HINCRBY', key, ARGV[field - 2], ARGV[from + 2])
    if new[position] then
      local flat, o = holds(), (position - 1) * 7
      local meta = cjson.encode({ flat[o + 2], flat[o + 3], flat[o + 7] })
      redis.call('HSET', key, 'm:' .. flat[o + 1], meta)
    end
  end
end
