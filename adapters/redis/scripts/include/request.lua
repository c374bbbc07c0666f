-- What an intent asks for, in the order of adapters/redis/asking.ts: ARGV from `at` on. Fields of the
-- state stand together: the tenant's time, its principal's endings, its freezes, scopes, windows.
local request = {}
local STATE_FIELDS = 3

function request.read(at)
  local ask = {
    cost = tonumber(ARGV[at]), frozen = ARGV[at + 1] == '1', amounts = ARGV[at + 2],
    freezeScopes = ARGV[at + 3], scopes = tonumber(ARGV[at + 4]), kinds = tonumber(ARGV[at + 5]),
    holds = tonumber(ARGV[at + 6]), fields = at + 7,
  }
  ask.kindOf = ask.fields + STATE_FIELDS + ask.scopes + ask.kinds
  ask.firstHold = ask.kindOf + ask.scopes
  ask.firstBalance = ask.firstHold + ask.holds * 3
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

-- What is kept of its state; nil if that does not know the parameters of its windows yet.
function request.state(ask, key)
  local values = fetch(key, ask.fields, ask.kindOf - 1)
  for at = 1, ask.kinds do
    if not values[STATE_FIELDS + ask.scopes + at] then return nil end
  end
  return values
end

-- Freezes that stop it: their texts. They are kept as one JSON object of scopes for each tenant.
function request.freezes(ask, kept)
  local found = {}
  if not kept then return found end
  local texts = cjson.decode(kept)
  for _, scope in ipairs(cjson.decode(ask.freezeScopes)) do
    if texts[scope] then found[#found + 1] = texts[scope] end
  end
  return found
end

-- Judges each scope, then counts the attempt, and the call if it is admitted. Returns the scopes, where
-- it counted, and what was kept of each before: the figures that a policy sees follow from that.
function request.count(ask, values, now, retries, admitted)
  local list, marks, before = {}, {}, {}
  for at = 1, ask.scopes do
    local kept = values[STATE_FIELDS + at]
    local kind = STATE_FIELDS + ask.scopes + tonumber(ARGV[ask.kindOf + at - 1])
    local field = ARGV[ask.fields + STATE_FIELDS + at - 1]
    local scope = scopes.open(field, kept, values[kind], now)
    scopes.count(scope, now, retries, admitted, ask.cost)
    list[at], before[at] = scope, kept or ''
    local counts = scopes.counts(scope, admitted)
    for position = 0, 2 do
      marks[#marks + 1] = counts and scope.s[WARM_HEAD + position * WARM_FIGURES + INDEX] or NOWHERE
    end
  end
  local packed = ''
  if #marks > 0 then packed = struct.pack('<' .. string.rep('d', #marks), unpack(marks)) end
  return list, packed, before
end
