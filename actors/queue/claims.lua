-- What the owner of a connection does: it claims what it may send, and tells what became of it.

local function job(id)
    local record = call('HMGET', message(id), 'chat', 'type', 'text', 'content', 'attempts',
        'cut', 'crashes', 'tries')
    table.insert(record, 1, id)
    return record
end

-- Gives out a message of a chat, as the one in flight there (`FLIGHT`) or to follow it (`AHEAD`).
local function give(where, id, chat, turn)
    call('HSET', where, chat, id .. ' ' .. turn)
    local record = call('HMGET', message(id), 'attempts', 'tries')
    write(id, sequence(), 'status', 'sending', 'sending_at', NOW,
        'attempts', record[1] + 1, 'tries', (record[2] or 0) + 1)
    return job(id)
end

-- Gives each chat whose flight is `known` to the claimer its next message too; not one that an
-- owner crashed with, for that one flies alone.
local function look_ahead(jobs, known)
    local flights = call('HGETALL', FLIGHT)
    for i = 1, #flights, 2 do
        local chat, flying = flights[i], string.match(flights[i + 1], '^%S+')
        if known[flying] and call('HEXISTS', AHEAD, chat) == 0 then
            local first = call('ZRANGE', lane(chat), 0, 1)
            local id = first[first[1] == flying and 2 or 1]
            if id and not suspect(id) then
                local turn = call('HINCRBY', COUNTERS, 'turn', 1)
                    + call('HGET', message(id), 'priority') * LEVEL
                table.insert(jobs, give(AHEAD, id, chat, turn))
            end
        end
    end
end

-- `interval` and `longest` are those of the pacing, `...` the gaps that follow the jobs (`rests` of
-- them), and then what the claimer has in hand.
function transitions.claim(epoch, limit, ahead, concurrency, interval, longest, rests, ...)
    if not owns(epoch) then
        return {'lost'}
    end
    promote()
    rested(tonumber(longest))
    limit = tonumber(limit)
    local jobs = {}
    -- What an earlier claim of this epoch took whose answer never arrived.
    local given, known = {...}, {}
    for i = rests + 1, #given do
        known[given[i]] = true
    end
    local flights = call('HVALS', FLIGHT)
    for _, flying in ipairs(flights) do
        local id = string.match(flying, '^%S+')
        if not known[id] and #jobs < limit then
            table.insert(jobs, job(id))
            known[id] = true
        end
    end
    local followers = call('HGETALL', AHEAD)
    for i = 1, #followers, 2 do
        local id = string.match(followers[i + 1], '^%S+')
        local before = string.match(call('HGET', FLIGHT, followers[i]), '^%S+')
        -- Whoever has it in hand must know what it follows.
        if not known[id] and known[before] then
            table.insert(jobs, job(id))
        end
    end
    local room, paced = pace(math.min(limit - #jobs, concurrency - #flights), tonumber(interval))
    local taken, set_aside = 0, 0
    local alone = #flights == 1 and suspect(string.match(flights[1], '^%S+'))
    while taken < room and set_aside < PROMOTE and not alone do
        local chats = call('ZPOPMIN', READY, room - taken)
        if #chats == 0 then
            break
        end
        for i = 1, #chats, 2 do
            local chat, turn = chats[i], chats[i + 1]
            local id = call('ZRANGE', lane(chat), 0, 0)[1]
            local suspected = not alone and suspect(id)
            if alone or (suspected and #flights + taken > 0) then
                -- It keeps its turn, and nothing passes it: what flies lands, and then it may.
                call('ZADD', READY, turn, chat)
                alone = true
            elseif rest(chat) then
                set_aside = set_aside + 1
            else
                taken = taken + 1
                table.insert(jobs, give(FLIGHT, id, chat, turn))
                known[id] = true
                keep_apart(chat, given[taken <= tonumber(rests) and taken or 0])
                alone = suspected
            end
        end
    end
    if taken > 0 then
        paced = spend(tonumber(interval))
    end
    -- Only where no other chat waits for its turn.
    if ahead == '1' and not alone and call('EXISTS', READY) == 0 then
        look_ahead(jobs, known)
    end
    if set_aside >= PROMOTE then
        paced = NOW
    elseif call('EXISTS', READY) == 0 then
        paced = nil
    end
    return {'claimed', sooner(paced, next_due()) or '', jobs}
end

-- What WhatsApp acknowledged (`count` pairs of id and time), then the next claim: an owner that is
-- busy makes one call of both, and is not woken for what it frees itself.
function transitions.turn(count, ...)
    local given = {...}
    local first = 2 * tonumber(count) + 1
    looking = owns(given[first])
    for i = 1, first - 2, 2 do
        prove(given[i], 'sent', given[i + 1])
    end
    return transitions.claim(unpack(given, first))
end

function transitions.complete(epoch, id, tries, at)
    local mine = owns(epoch)
    prove(id, 'sent', at)
    return mine and 'kept' or 'lost'
end

-- Whether this attempt of the message is the one in flight.
local function in_flight(record, tries)
    return record[1] == 'sending' and (tries == '' or record[3] == tries)
end

-- Whether it only was to follow another, of whose arrival Redis has not heard.
local function is_ahead(id, chat)
    local follower = call('HGET', AHEAD, chat)
    return follower and string.match(follower, '^%S+') == id
end

function transitions.fail(epoch, id, tries, code, uncertain, retry_at)
    if not owns(epoch) then
        return 'lost'
    end
    local record = call('HMGET', message(id), 'status', 'chat', 'tries')
    if not in_flight(record, tries) then
        return record[1] or 'dead'
    end
    if is_ahead(id, record[2]) then
        step_back(record[2])
        return 'queued'
    end
    if uncertain == '1' then
        call('HSET', message(id), 'uncertain', '1')
    end
    if retry_at == '' then
        bury(id, record[2], code)
        return 'dead'
    end
    step_back(record[2])
    call('HDEL', FLIGHT, record[2])
    call('ZADD', HELD, retry_at + set_back(), id)
    write(id, sequence(), 'status', 'waiting', 'waiting_at', NOW, 'error', code,
        'retry_at', retry_at)
    count('retries')
    -- Who waits for a claim has to learn when the next one is due.
    wake()
    return 'waiting'
end

function transitions.unclaim(epoch, ...)
    if not owns(epoch) then
        return 'lost'
    end
    local pairs = {...}
    for i = 1, #pairs, 2 do
        local id = pairs[i]
        local record = call('HMGET', message(id), 'status', 'chat', 'tries')
        if in_flight(record, pairs[i + 1]) and is_ahead(id, record[2]) then
            step_back(record[2])
        elseif in_flight(record, pairs[i + 1]) then
            step_back(record[2])
            land(record[2], call('HGET', FLIGHT, record[2]))
            call('HINCRBY', message(id), 'attempts', -1)
            write(id, sequence(), 'status', 'queued')
        end
    end
    return 'kept'
end

return transitions[TRANSITION](unpack(ARGV, 4))
