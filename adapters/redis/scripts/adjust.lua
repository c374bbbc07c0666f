-- Swaps the holds of a reservation for another model's: all or none, as if the intent were new.
-- KEYS  reservation, state, balances, freezes; the run, if any
-- ARGV  now, fingerprints a run keeps; then what include/request.lua reads
-- Returns {"unknown"}, {"windows"}: parameters are to be told first; or {"adjusted", held, sequence,
--       freezes, used, run, endings, scopes}
--- @include money
--- @include window
--- @include scopes
--- @include runs
--- @include balances
--- @include reservation
--- @include request
local name, state, key, run = KEYS[1], KEYS[2], KEYS[3], KEYS[5]
local now = tonumber(ARGV[1])
local ask = request.read(3)

local r = reservation.load(name)
if not r then return { 'unknown' } end
local known = fetch(state, ask.fields, ask.fields + 1 + ask.scopes + ask.kinds)
if not request.scopes(ask, known) then return { 'windows' } end

local earlier = {}
local isJudging = redis.call('HEXISTS', name, 'decision') == 0
if isJudging or r.standing then earlier = scopes.counted(state, r.scopes, r.marks) end
if r.admitted then
  for _, hold in ipairs(reservation.holds(r)) do
    balances.post(key, hold, money.negative(hold.amount), '0')
  end
  if r.standing then
    scopes.correct(earlier, -r.counted, -1, now)
    scopes.land(earlier)
  end
  runs.undo(run, r.fingerprint, r.counted)
end
if isJudging then scopes.unattempt(earlier, r.retries) end
scopes.save(state, earlier)

local values = fetch(state, ask.fields, ask.fields + 1 + ask.scopes + ask.kinds)
local list = request.scopes(ask, values)
local freezes = request.freezes(ask, KEYS[4])
local used, fits, holdable = balances.judge(ask.holds, fetch(key, ask.firstBalance, ask.lastBalance))
local held = #freezes == 0 and not ask.frozen and fits and holdable
local runBefore = runs.snapshot(run, r.fingerprint)
local kept = request.kept(list)
local marks = request.count(list, now, r.retries, held, ask.cost)
scopes.save(state, list)
if held then
  balances.hold(key, ask.holds)
  runs.charge(run, r.fingerprint, tonumber(ARGV[2]), ask.cost, runBefore)
end
-- A call that could not be held falls under the budgets of the model it asked for.
local asked = redis.call('HGET', name, 'asked') or r.holds
local admitted = held and '1' or '0'
redis.call(
  'HSET', name, 'asked', asked, 'holds', held and ask.holdsText or asked,
  'amounts', held and ask.amounts or '', 'admitted', admitted, 'standing', admitted,
  'counted', held and figure(ask.cost) or '0', 'scopes', ask.scopesText, 'marks', marks
)
return {
  'adjusted', admitted, redis.call('HINCRBY', state, 'n', 1), freezes, used, runBefore,
  values[2] or '', kept,
}
