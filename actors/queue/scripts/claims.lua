-- Claims messages for the owner of a connection to send, and records the outcomes that the owner reports.

local function job(id)
    local record = call('HMGET', message(id), 'chat', 'type', 'text', 'content', 'attempts',
        'cut', 'crashes', 'tries', 'accepted_at', 'send_at')
    table.insert(record, 1, id)
    return record
end

local function crashed(job)
    return suspect(job[8])
end

-- Gives a job out, as the one in flight in its chat (`FLIGHT`) or to follow it (`AHEAD`).
local function give(where, job, chat, turn)
    local id = job[1]
    job[6] = tostring(job[6] + 1)
    job[9] = tostring((job[9] or 0) + 1)
    call('HSET', where, chat, id .. ' ' .. turn)
    write(id, sequence(), 'status', 'sending', 'sending_at', NOW,
        'attempts', job[6], 'tries', job[9])
    return job
end

-- Gives each chat whose flight is `known` to the claimer its next message too; not one that an
-- owner crashed with, for that one flies alone.
local function look_ahead(jobs, flights, followed, known)
    for _, flight in ipairs(flights) do
        local chat, flying = unpack(flight)
        if known[flying] and not followed[chat] then
            local first = call('ZRANGE', lane(chat), 0, 1, 'WITHSCORES')
            local next = first[1] == flying and 3 or 1
            local found = first[next] and job(first[next])
            if found and not crashed(found) then
                local level = math.floor(tonumber(first[next + 1]) / PRIORITY) * LEVEL
                local turn = following('turn') + level
                table.insert(jobs, give(AHEAD, found, chat, turn))
            end
        end
    end
end

-- `interval`, `longest` and `per_day` are those of the pacing, `...` the gaps that follow the jobs (`rests` of
-- them), and then the attempts that the claimer has.
function transitions.claim(epoch, limit, ahead, concurrency, interval, longest, per_day, rests, ...)
    if not owns(epoch) then
        return {'lost'}
    end
    -- The owner of a deleted connection is only to unlink it: what waits is cancelled.
    if call('EXISTS', BASE .. ':deleted') == 1 then
        return {'claimed', '', {}}
    end
    local held_back = promote()
    local unasked = call('SRANDMEMBER', UNASKED, PROMOTE)
    if #unasked > 0 then
        return {'unnamed', unasked}
    end
    held_back = rested(tonumber(longest)) or held_back
    limit = tonumber(limit)
    local jobs = {}
    -- Messages of an earlier claim of this epoch whose answer never arrived.
    local given, known = {...}, {}
    for i = rests + 1, #given do
        known[given[i]] = true
    end
    -- Pairs of chat and message, and by its chat the message.
    local flights, flying = {}, {}
    local found = call('HGETALL', FLIGHT)
    for i = 1, #found, 2 do
        local chat, id = found[i], string.match(found[i + 1], '^%S+')
        table.insert(flights, {chat, id})
        flying[chat] = id
        if not known[id] and #jobs < limit then
            table.insert(jobs, job(id))
            known[id] = true
        end
    end
    local followed = {}
    found = call('HGETALL', AHEAD)
    for i = 1, #found, 2 do
        local chat, id = found[i], string.match(found[i + 1], '^%S+')
        followed[chat] = true
        -- The owner of the claim has to know the message that it follows.
        if not known[id] and known[flying[chat]] then
            table.insert(jobs, job(id))
        end
    end
    per_day = tonumber(per_day)
    local room, paced = pace(math.min(limit - #jobs, concurrency - #flights), tonumber(interval), per_day)
    local is_paced = tonumber(interval) > 0 or tonumber(rests) > 0 or per_day > 0
    local taken, set_aside = 0, 0
    local alone = #flights == 1 and crashed(job(flights[1][2]))
    while taken < room and set_aside < PROMOTE and not alone do
        local chats = call('ZPOPMIN', READY, room - taken)
        if #chats == 0 then
            break
        end
        for i = 1, #chats, 2 do
            local chat, turn = chats[i], chats[i + 1]
            local first = not alone and job(call('ZRANGE', lane(chat), 0, 0)[1])
            if alone or (crashed(first) and #flights > 0) then
                -- It keeps its turn, and nothing passes it: what flies lands, and then it may.
                call('ZADD', READY, turn, chat)
                alone = true
            elseif rest(chat) then
                set_aside = set_aside + 1
                held_back = true
            else
                taken = taken + 1
                table.insert(jobs, give(FLIGHT, first, chat, turn))
                if is_paced and first[6] == '1' then
                    call('HSET', message(first[1]), 'paced_at', NOW)
                    spend_of_day(per_day)
                end
                table.insert(flights, {chat, first[1]})
                known[first[1]] = true
                keep_apart(chat, given[taken <= tonumber(rests) and taken or 0])
                alone = crashed(first)
            end
        end
    end
    if taken > 0 then
        paced = spend(tonumber(interval), jobs[#jobs][1])
    end
    local more = call('EXISTS', READY) == 1
    -- Only where no other chat waits for its turn.
    if ahead == '1' and not alone and not more then
        look_ahead(jobs, flights, followed, known)
    end
    if set_aside >= PROMOTE then
        paced = NOW
    elseif not more then
        paced = nil
    end
    return {'claimed', sooner(paced, held_back and next_due()) or '', jobs}
end

-- Notes what WhatsApp acknowledged (`count` pairs of id and time), then the next claim: an owner that is
-- busy makes one call of both, and is not woken for what it frees itself.
function transitions.turn(count, ...)
    local given = {...}
    local first = 2 * tonumber(count) + 1
    looking = owns(given[first])
    for i = 1, first - 2, 2 do
        prove(given[i], {'sent', given[i + 1]})
    end
    return transitions.claim(unpack(given, first))
end

function transitions.complete(epoch, id, tries, at)
    local mine = owns(epoch)
    prove(id, {'sent', at})
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
    -- A waiting owner has to learn when the next claim is due.
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
            take_back(id)
            write(id, sequence(), 'status', 'queued')
        end
    end
    return 'kept'
end
