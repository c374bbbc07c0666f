-- Swaps the holds of a reservation for another model's: all or none, as if the intent were new.
-- KEYS  reservation, state, balances; the run and its parent, if any
-- ARGV  now, fingerprints a run keeps, holds, scopes; then what include/request.lua reads
-- Returns {"unknown"}, {"windows"}: parameters are to be told first; or {"adjusted", held, sequence,
--       freezes, used, run, endings, scopes}
--- @include money
--- @include window
--- @include cost
--- @include scopes
--- @include corrections
--- @include runs
--- @include runcorrections
--- @include balances
--- @include reservation
--- @include request
local name, state, key, run, parent = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now = tonumber(ARGV[1])

local r = reservation.load(name)
if not r then return { 'unknown' } end
local ask = request.read(5)
if not request.state(ask, state) then return { 'windows' } end

local earlier = {}
if not r.isConcluded or r.standing then earlier = scopes.counted(state, r.scopes, r.marks) end
if r.admitted then
  for _, hold in ipairs(reservation.holds(r)) do
    redis.call('HINCRBY', key, 'h:' .. hold.instance, money.negative(hold.amount))
  end
  if r.standing then
    scopes.correct(earlier, -r.counted, -1, now)
    scopes.land(earlier)
    scopes.dropBlank(earlier)
  end
  if run then runs.undo(run, r.fingerprint, r.counted, parent) end
end
if not r.isConcluded then scopes.unattempt(earlier, r.retries) end
scopes.save(state, earlier)

local values = request.state(ask, state)
local freezes = request.freezes(ask, values[3])
local used, fits, holdable, new = balances.judge(ask, fetch(key, ask.firstBalance, #ARGV))
local held = #freezes == 0 and not ask.frozen and fits and holdable
local runBefore = run and runs.snapshot(run, r.fingerprint, parent) or {}
local list, marks, before = request.count(ask, values, now, r.retries, held)
local counting = {}
for _, scope in ipairs(list) do
  if scopes.counts(scope, held) then counting[#counting + 1] = scope end
end
scopes.save(state, counting)
if held then
  local function holds()
    return cjson.decode(ARGV[3])
  end
  balances.hold(key, ask, new, holds)
  if run then runs.charge(run, r.fingerprint, tonumber(ARGV[2]), ask.cost, runBefore, parent) end
  redis.call('HSET', name, 'holds', ARGV[3], 'amounts', ask.amounts, 'life', '1 1 ' .. ARGV[5])
else
  -- A call that could not be held falls under the budgets of the model it asked for.
  redis.call('HSET', name, 'amounts', r.admitted and '' or r.amounts, 'life', '0 0 0')
  redis.call('HDEL', name, 'holds')
end
redis.call('HDEL', name, 'concluded')
redis.call('HSET', name, 'scopes', ARGV[4], 'marks', marks)
return {
  'adjusted', held and 1 or 0, redis.call('HINCRBY', state, 'n', 1), freezes, used, runBefore,
  values[2] or '', before,
}
