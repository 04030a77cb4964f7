-- Sends the requests of a pool file in turn: each is its length, a line break, and its bytes.
-- With the second argument "statuses", answers are counted by the first digit of their status; this costs time for each.

local requests = {}
local position = 0
local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  for length in file:lines() do
    requests[#requests + 1] = file:read(tonumber(length))
  end
  if arguments[2] == "statuses" then
    status2, status3, status4, status5 = 0, 0, 0, 0
    function response(status)
      local name = "status" .. math.floor(status / 100)
      _G[name] = (_G[name] or 0) + 1
    end
  end
end

function request()
  position = position % #requests + 1
  return requests[position]
end

function done()
  for _, thread in ipairs(threads) do
    for digit = 2, 5 do
      local count = thread:get("status" .. digit)
      if count then
        io.write(string.format("status %dxx: %d\n", digit, count))
      end
    end
  end
end
