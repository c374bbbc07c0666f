-- (1) Makes the byte patches that Weir decided on. (2) Keeps the figures of the answer for the access
-- log, and takes the closing figures of a stream away again where only Weir had asked for them. No
-- content leaves Envoy. An error of a Lua filter lets a call pass, so nothing below may raise one: what is
-- doubtful about a patch is answered with 503.

local BAD_PATCH = '{"error":{"message":"weir: the patch does not fit the body","type":"server_error","code":"envoy.patch"}}'
local EVENT_MAX = 1048576 -- of a longer event nothing is kept
local TAIL_MAX = 262144 -- of a JSON answer: figures further from its end are missed
local KEPT_MAX = 16384

local function decided(h)
  return h:streamInfo():dynamicMetadata():get("envoy.filters.http.ext_authz")
end

function envoy_on_request(h)
  local m = decided(h)
  local patches = m and m["body_patch"]
  if patches == nil or #patches == 0 then return end
  local body = h:body() -- waits for the whole body
  if body == nil then
    h:respond({[":status"] = "503", ["content-type"] = "application/json"}, BAD_PATCH)
    return
  end
  local length, position, out = body:length(), 0, {}
  for i = 1, #patches do
    local off, del, ins = patches[i]["off"], patches[i]["del"], patches[i]["ins"]
    if type(off) ~= "number" or type(del) ~= "number" or type(ins) ~= "string"
      or off < position or del < 0 or off + del > length then
      h:respond({[":status"] = "503", ["content-type"] = "application/json"}, BAD_PATCH)
      return
    end
    if off > position then out[#out + 1] = body:getBytes(position, off - position) end
    out[#out + 1] = ins
    position = off + del
  end
  if position < length then out[#out + 1] = body:getBytes(position, length - position) end
  h:headers():replace("content-length", body:setBytes(table.concat(out)))
end

-- From the last figures in a text on; a member of that name that holds no object is none.
local function figures(text)
  local at, from = nil, 1
  while true do
    local f = string.find(text, '"usage"%s*:%s*{', from) or string.find(text, '"usageMetadata"%s*:%s*{', from)
    if f == nil then break end
    at = f
    from = f + 1
  end
  return at and string.sub(text, at, at + 4095)
end

-- The closing figures of a stream of OpenAI's form: no choices, but usage.
local function is_closing(line)
  return string.find(line, '"choices"%s*:%s*%[%s*%]') ~= nil and string.find(line, '"usage"%s*:%s*{') ~= nil
end

function envoy_on_response(h)
  local m = decided(h)
  if m == nil or m["ticket"] == nil then return end
  local strips = m["strip_usage"] == true
  local kind = h:headers():get("content-type") or ""
  local sse = string.find(kind, "text/event-stream", 1, true) ~= nil
  if not sse and string.find(kind, "json", 1, true) == nil then return end
  if sse then h:headers():remove("content-length") end
  -- Wrappers die on every yield, so the metadata is fetched anew each time.
  local function keep(name, value) h:streamInfo():dynamicMetadata():set("weir", name, value) end
  local pending, events, found, dropped = "", 0, 0, false

  -- One whole line of a stream; false where it must not reach the client.
  local function pass(line)
    if string.sub(line, 1, 5) ~= "data:" then
      -- The blank line that ends a dropped event goes with it.
      if dropped and string.find(line, "^\r?$") then
        dropped = false
        return false
      end
      return true
    end
    events = events + 1
    if string.find(line, '"usage"%s*:%s*{') or string.find(line, '"usageMetadata"%s*:%s*{') then
      found = found + 1
      -- An event that repeats the whole answer is long: its figures alone are kept.
      keep(found == 1 and "usage_first" or "usage_last", #line <= KEPT_MAX and string.sub(line, 6) or figures(line))
    end
    if strips and is_closing(line) then
      dropped = true
      return false
    end
    return true
  end

  for chunk in h:bodyChunks() do -- chunks go on as they come
    local size = chunk:length()
    local text = size > 0 and chunk:getBytes(0, size) or ""
    pending = pending .. text
    if sse then
      local out, from = {}, 1
      while true do
        local to = string.find(pending, "\n", from, true)
        if to == nil then break end
        if pass(string.sub(pending, from, to - 1)) then out[#out + 1] = string.sub(pending, from, to) end
        from = to + 1
      end
      pending = string.sub(pending, from)
      if events > 0 then keep("events", events) end
      if strips then
        -- Whole lines go on; what follows waits for its end, or goes when it cannot be figures.
        if #pending > EVENT_MAX or pending == "data: [DONE]" or (pending ~= "" and string.sub(pending, 1, #"data:") ~= string.sub("data:", 1, #pending)) then
          out[#out + 1] = pending
          pending = ""
        end
        chunk:setBytes(table.concat(out))
      end
    end
    if not sse and #pending > TAIL_MAX then pending = string.sub(pending, -TAIL_MAX) end
    if sse and #pending > EVENT_MAX then pending = "" end
  end
  if not sse then
    local told = figures(pending)
    if told ~= nil then keep("usage_last", told) end
  end
end
