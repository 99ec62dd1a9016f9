-- For wrk: `wrk ... -s load.lua URL -- ORIGIN [TEXT_HASH]`. With a text's hash it posts signatures, no two of them
-- alike, as a browser sends them; without, it opens the page. One line of JSON comes last.

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
local random, text_hash, plain
local mine = 0
seen, other = 0, 0 -- Global: that is where `done` finds them.

function setup(thread)
  table.insert(threads, thread)
  thread:set("number", #threads)
end

function init(args)
  headers["Host"] = args[1]:gsub("^%w+://", "")
  text_hash = args[2]
  if text_hash then
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    headers["Origin"] = args[1]
    random = assert(io.open("/dev/urandom", "rb"))
  else
    plain = wrk.format("GET", nil, headers)
  end
end

local function uuid4()
  local b = { random:read(16):byte(1, 16) }
  b[7] = b[7] % 16 + 64
  b[9] = b[9] % 64 + 128
  return string.format("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", unpack(b))
end

function request()
  if plain then
    return plain
  end
  mine = mine + 1
  local event = uuid4()
  local who = number .. "-" .. mine .. "-" .. event:sub(1, 8)
  return wrk.format("POST", nil, headers, "event_id=" .. event .. "&text_hash=" .. text_hash
    .. "&name=%D0%92%D0%BE%D0%BB%D1%8C%D0%B3%D0%B0+" .. who .. "&email=volha." .. who
    .. "%40example.org&country=PL&city=Bia%C5%82ystok&website=&visibility=ministry")
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
