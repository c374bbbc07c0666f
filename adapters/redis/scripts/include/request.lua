-- What an intent asks for, in the order of adapters/redis/asking.ts: ARGV from `at` on.
local request = {}

function request.read(at)
  local counts = {}
  for position = 0, 3 do counts[position + 1] = tonumber(ARGV[at + 5 + position]) end
  local ask = {
    cost = tonumber(ARGV[at]), frozen = ARGV[at + 1] == '1', holdsText = ARGV[at + 2],
    scopesText = ARGV[at + 3], amounts = ARGV[at + 4], freezes = counts[1], scopes = counts[2],
    kinds = counts[3], kindOf = {}, holds = {},
  }
  at = at + 9
  ask.fields = at
  at = at + 2 + ask.scopes + ask.kinds
  for position = 1, ask.scopes do ask.kindOf[position] = tonumber(ARGV[at + position - 1]) end
  at = at + ask.scopes
  ask.firstFreeze = at
  at = at + ask.freezes
  local field = at + counts[4] * 5
  ask.firstBalance = field
  for position = 1, counts[4] do
    local parts = tonumber(ARGV[at])
    field = field + parts * 2
    ask.holds[position] = {
      parts = parts, hard = ARGV[at + 1] == '1', limit = ARGV[at + 2], amount = ARGV[at + 3],
      meta = ARGV[at + 4], field = ARGV[field - 2],
    }
    at = at + 5
  end
  ask.lastBalance = field - 1
  return ask
end

-- Fields of a hash that are named in ARGV from `first` to `last`; a stack takes some thousands at once.
local function fetch(key, first, last)
  if last < first then return {} end
  if last - first < 4000 then return redis.call('HMGET', key, unpack(ARGV, first, last)) end
  local values, count = {}, 0
  for from = first, last, 4000 do
    local to = math.min(from + 3999, last)
    local some = redis.call('HMGET', key, unpack(ARGV, from, to))
    for at = 1, to - from + 1 do values[count + at] = some[at] end
    count = count + to - from + 1
  end
  return values
end

-- Freezes that stop it: their texts.
function request.freezes(ask, key)
  local found = {}
  if ask.freezes == 0 then return found end
  local texts = fetch(key, ask.firstFreeze, ask.firstFreeze + ask.freezes - 1)
  for at = 1, ask.freezes do
    if texts[at] then found[#found + 1] = texts[at] end
  end
  return found
end

-- Its scopes and the parameters of their windows, or nil if the state does not know some of them yet.
-- First of `values` are the tenant's time and its principal's endings.
function request.scopes(ask, values)
  local kinds, list = {}, {}
  for at = 1, ask.kinds do
    local packed = values[2 + ask.scopes + at]
    if not packed then return nil end
    kinds[at] = scopes.parameters(packed)
  end
  for at = 1, ask.scopes do
    list[at] = { field = ARGV[ask.fields + 1 + at], kept = values[2 + at], p = kinds[ask.kindOf[at]] }
  end
  return list
end

-- Judges each scope as it is kept, then counts the attempt, and the call if it is admitted.
function request.count(list, now, retries, admitted, cost)
  local marks = {}
  for _, scope in ipairs(list) do
    scope.s = scopes.open(scope.kept, now)
    scopes.judge(scope.s, scope.p, now)
    scopes.count(scope.s, retries, admitted, cost)
    scopes.mark(marks, scope.s)
  end
  return scopes.packMarks(marks)
end

-- What is kept of each scope, before the intent; the figures that a policy sees follow from it.
function request.kept(list)
  local kept = {}
  for at, scope in ipairs(list) do kept[at] = scope.kept or '' end
  return kept
end
