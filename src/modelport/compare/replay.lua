-- Sends the request bodies of a file in turn, one per line, so that no two neighbouring requests are the same.
-- All requests are formatted before the first one is sent.

local requests = {}
local position = 0

function init(arguments)
  local headers = { ["Content-Type"] = "application/json", ["Host"] = wrk.headers["Host"] }
  for line in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, headers, line)
  end
end

function request()
  position = position % #requests + 1
  return requests[position]
end
