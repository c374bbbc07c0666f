-- Budget instances of a tag: one hash; "h:…" what an instance holds, "s:…" what is settled on it, "m:…"
-- what names it: [budget, unit, end].
local balances = {}

-- The world before the intent: what is used of each hold's instances and whether it fits; then whether
-- all fit, and whether all can be held at all: a change that is no 64-bit integer would fail half way.
-- `values` are what is held and settled on the instances of each hold, its own the last.
function balances.judge(holds, values)
  local used, fits, holdable, at = {}, true, true, 0
  for position, hold in ipairs(holds) do
    local sum, exact, first = 0, true, at
    for _ = 1, hold.parts * 2 do
      at = at + 1
      if values[at] then
        local one = tonumber(values[at])
        sum = sum + one
        if one < 0 then exact = false end
      end
    end
    hold.isNew = not values[at - 1]
    local wanted = sum + tonumber(hold.amount)
    local enough
    if exact and wanted < EXACT then
      used[position] = figure(sum)
      enough = wanted <= tonumber(hold.limit)
    else
      local text = '0'
      for part = first + 1, at do if values[part] then text = money.plus(text, values[part]) end end
      used[position] = text
      local total = money.plus(text, hold.amount)
      enough = not money.less(hold.limit, total)
      if not money.fitsInteger(total) then holdable = false end
    end
    if hold.hard and not enough and hold.amount ~= '0' then fits = false end
  end
  return used, fits, holdable
end

function balances.hold(key, holds)
  for _, hold in ipairs(holds) do
    redis.call('HINCRBY', key, hold.field, hold.amount)
    if hold.isNew then redis.call('HSET', key, 'm:' .. string.sub(hold.field, 3), hold.meta) end
  end
end

-- Posts to one instance of a reservation's kept holds.
function balances.post(key, hold, heldDelta, settledDelta, isNew)
  local instance = hold.instance
  if heldDelta ~= '0' then redis.call('HINCRBY', key, 'h:' .. instance, heldDelta) end
  if settledDelta ~= '0' then redis.call('HINCRBY', key, 's:' .. instance, settledDelta) end
  if isNew then
    redis.call('HSET', key, 'm:' .. instance, cjson.encode({ hold.budget, hold.unit, hold.endsAt }))
  end
end
