-- Reserves: repeats, freezes and fit are checked, all is held or nothing, the attempt is counted.
-- KEYS  intent, reservation, state, balances, deadlines; the run and its parent, if any
-- ARGV  decision id, content digest, now, deadline, how long the intent is kept (ms), force, retries,
--       fingerprint, fingerprints a run keeps, plan; then what include/request.lua reads
-- Returns {kind}, {"replay", decision id}, {"windows"}: parameters are to be told first; or {"reserved",
--       held, forced, now, sequence, freezes, used, run, endings, scopes}
--- @include money
--- @include window
--- @include cost
--- @include scopes
--- @include runs
--- @include balances
--- @include intents
--- @include request
local id, digest, now = ARGV[1], ARGV[2], tonumber(ARGV[3])
local state, key, run, parent = KEYS[3], KEYS[4], KEYS[6], KEYS[7]

local earlier = intents.read(KEYS[1])
if earlier then
  local effect, live = earlier.effect, earlier.live == '1'
  if earlier.digest ~= digest then return { 'conflict' } end
  if effect == '-' then
    if live then return { 'in_flight' } end
  elseif effect == 'throttle' then
    if now < tonumber(earlier.untilMs) then return { 'replay', earlier.id } end
  elseif effect == 'block' or live then
    return { 'replay', earlier.id }
  else
    return { 'finished' }
  end
end

local ask = request.read(11)
local values = request.state(ask, state)
if not values then return { 'windows' } end
local latest = tonumber(values[1] or '0')
local isLater = now > latest
if not isLater then now = latest end

local freezes = request.freezes(ask, values[3])
local used, fits, holdable, new =
  balances.judge(ask, fetch(key, ask.firstBalance, #ARGV))
local held = #freezes == 0 and not ask.frozen and (fits or ARGV[6] == '1') and holdable
local runBefore = run and runs.snapshot(run, ARGV[8], parent) or {}
local list, marks, before = request.count(ask, values, now, tonumber(ARGV[7]), held)
local fields = {}
for at = 1, ask.scopes do
  if scopes.counts(list[at], held) then
    fields[#fields + 1] = list[at].field
    fields[#fields + 1] = scopes.pack(list[at])
  end
end
if isLater then
  fields[#fields + 1] = ARGV[ask.fields]
  fields[#fields + 1] = ARGV[3]
end
if #fields > 0 then redis.call('HSET', state, unpack(fields)) end
if held then
  local function holds()
    return cjson.decode(ARGV[10])[7]
  end
  balances.hold(key, ask, new, holds)
  if run then runs.charge(run, ARGV[8], tonumber(ARGV[9]), ask.cost, runBefore, parent) end
  redis.call(
    'HSET', KEYS[2], 'state', 'judging', 'plan', ARGV[10], 'life', '1 1 ' .. ARGV[11],
    'amounts', ask.amounts, 'marks', marks
  )
else
  redis.call('HSET', KEYS[2], 'state', 'judging', 'plan', ARGV[10], 'life', '0 0 0', 'marks', marks)
end
redis.call('SET', KEYS[1], id .. ' ' .. digest .. ' - 1 0', 'PX', ARGV[5])
redis.call('ZADD', KEYS[5], ARGV[4], id)
return {
  'reserved', held and 1 or 0, held and not fits and 1 or 0, now, redis.call('HINCRBY', state, 'n', 1),
  freezes, used, runBefore, values[2] or '', before,
}
