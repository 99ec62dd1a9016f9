-- For wrk: `wrk ... -s load.lua URL -- ORIGIN [FORMS]`. With a file of forms it posts signatures, no two of them alike, as a
-- browser sends them; without, it opens the page. One line of JSON comes last.

local headers = {
  ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
  ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
  ["Accept-Language"] = "be,en;q=0.5",
  ["Accept-Encoding"] = "gzip, deflate, br, zstd",
  ["Sec-Fetch-Dest"] = "document",
  ["Sec-Fetch-Mode"] = "navigate",
  ["Sec-Fetch-Site"] = "same-origin",
  ["Sec-Fetch-User"] = "?1",
}
local threads = {}
local forms, plain
local mine = 0
seen, other = 0, 0 -- Global: that is where `done` finds them.

function setup(thread)
  table.insert(threads, thread)
  thread:set("number", #threads)
end

function init(args)
  headers["Host"] = args[1]:gsub("^%w+://", "")
  if not args[2] then
    plain = wrk.format("GET", nil, headers)
    return
  end
  headers["Content-Type"] = "application/x-www-form-urlencoded"
  headers["Origin"] = args[1]
  forms = {}
  local line = 0
  for form in io.lines(args[2]) do
    line = line + 1
    if line % 2 == number % 2 then -- There are two threads.
      table.insert(forms, form)
    end
  end
end

function request()
  if plain then
    return plain
  end
  mine = mine + 1
  return wrk.format("POST", nil, headers, assert(forms[mine], "there are too few forms"))
end

function response(status)
  seen = seen + 1
  if status ~= (plain and 200 or 303) then
    other = other + 1
  end
end

function done(summary, latency)
  local answered, wrong = 0, 0
  for _, thread in ipairs(threads) do
    answered = answered + thread:get("seen")
    wrong = wrong + thread:get("other")
  end
  local errors = summary.errors
  io.write(string.format(
    '\n{"seconds": %.3f, "answers": %d, "wrong": %d, "broken": %d, "p50": %.2f, "p99": %.2f}\n',
    summary.duration / 1e6, answered, wrong, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
