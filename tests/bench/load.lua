-- What wrk asks for, and what it prints: one line of JSON.
--   wrk ... -s load.lua URL -- MODE [ARGUMENT]
-- same               the URL and the fields of the command line
-- pages LIST         a random line of the file LIST as the path
-- pipeline COUNT     COUNT requests for the URL in one write

local mode, argument

local function read_lines(path)
    local lines = {}
    for line in io.lines(path) do
        lines[#lines + 1] = line
    end
    return lines
end

function init(arguments)
    mode, argument = arguments[1] or "same", arguments[2]
    if mode == "pages" then
        local requests = {}
        for i, path in ipairs(read_lines(argument)) do
            requests[i] = wrk.format("GET", path)
        end
        math.randomseed(7)
        request = function() return requests[math.random(#requests)] end
    elseif mode == "pipeline" then
        local all = string.rep(wrk.format("GET"), tonumber(argument))
        request = function() return all end
    end
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests": %d, "us": %d, "failed": %d, "refused": %d, "p50": %d, "p99": %d, "p999": %d}\n',
        summary.requests, summary.duration,
        errors.connect + errors.read + errors.write + errors.timeout, errors.status,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
