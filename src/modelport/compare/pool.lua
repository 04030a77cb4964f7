-- Sends the requests of a pool file in turn: each is its length, a line break, and its bytes.

local requests = {}
local position = 0

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  for length in file:lines() do
    requests[#requests + 1] = file:read(tonumber(length))
  end
end

function request()
  position = position % #requests + 1
  return requests[position]
end
