-- Checks an owner's epoch, and ends flights (claimed messages) of an owner: done, dead, or queued again after a crash.

-- Whether `epoch` may act: it is the newest, and was not given back.
local function owns(epoch)
    local lease = call('HMGET', LEASE, 'epoch', 'released')
    return lease[1] == epoch and lease[2] ~= '1'
end

-- Takes a message out of the queue for good, and gives its chat its turn if it held it. One that
-- was `dead` is out of it, and forgotten there.
local function leave(id, chat, dead)
    if dead then
        call('ZREM', DEAD, id)
        return
    end
    local flying = call('HGET', FLIGHT, chat)
    local freed, followed = false, false
    local follower = call('HGET', AHEAD, chat)
    if flying and string.match(flying, '^%S+') == id then
        if follower then
            call('HDEL', AHEAD, chat)
            call('HSET', FLIGHT, chat, follower)
            followed = true
        else
            call('HDEL', FLIGHT, chat)
            freed = true
        end
    elseif follower and string.match(follower, '^%S+') == id then
        call('HDEL', AHEAD, chat)
    elseif call('ZREM', HELD, id) == 1 then
        freed = true
        call('ZADD', SINCE, 'LT', NOW, chat)
    else
        local ticket = call('HGET', message(id), 'ticket')
        if ticket then
            call('ZREM', SCHEDULED, ticket)
        end
    end
    call('ZREM', lane(chat), id)
    call('ZREM', OPEN, id)
    if freed or not followed and call('EXISTS', lane(chat)) == 0 then
        ready(chat)
    end
end

-- Takes the one that is ahead in a chat back: nothing of it has left.
local function step_back(chat)
    local follower = call('HGET', AHEAD, chat)
    if follower then
        local id = string.match(follower, '^%S+')
        call('HDEL', AHEAD, chat)
        call('HINCRBY', message(id), 'attempts', -1)
        write(id, sequence(), 'status', 'queued')
    end
end

-- Ends the flight of a chat; its message was never out of its lane, its turn is the old one.
local function land(chat, flying)
    local id, turn = string.match(flying, '^(%S+) (%S+)$')
    call('HDEL', FLIGHT, chat)
    call('ZADD', READY, turn, chat)
    return id
end

local function bury(id, chat, code)
    local seq = sequence()
    leave(id, chat)
    call('ZADD', DEAD, seq, id)
    write(id, seq, 'status', 'dead', 'dead_at', NOW, 'error', code, 'died', seq)
    count('dead')
end

-- Whether a message with so many `crashes` was in flight when an owner crashed. Such a one flies
-- alone, so that the next crash is its own doing and no other's.
local function suspect(crashes)
    return tonumber(crashes or 0) > 0
end

-- An unseen death, as when the power fails, accuses no message; five of them do.
local SEEN, UNSEEN = 2, 5

-- Whether a message, alone in flight as its owner ended (`how`), is what ends them.
local function is_poison(how, crashes, log)
    local seen = how == 'unseen' and 0 or 1
    for cause in string.gmatch(log or '', ' (%a+)') do
        seen = seen + (cause == 'unseen' and 0 or 1)
    end
    return seen >= SEEN or tonumber(crashes or 0) + 1 >= UNSEEN
end

-- Queues again all that an owner had in flight: bytes may have left, so it is uncertain. An
-- attempt that was cut off does not count towards the last one. `crash` is how the owner ended,
-- if it gave nothing back; a message that crashed two is dead, and crashes no third.
local function cut_off(crash)
    local flights, followers, cut = call('HGETALL', FLIGHT), call('HGETALL', AHEAD), {}
    for i = 1, #flights, 2 do
        table.insert(cut, {land(flights[i], flights[i + 1]), flights[i]})
    end
    -- The followers may have left as well: that the one before arrived may not have been reported.
    for i = 1, #followers, 2 do
        table.insert(cut, {string.match(followers[i + 1], '^%S+'), followers[i]})
    end
    call('DEL', AHEAD)
    for _, each in ipairs(cut) do
        local id, chat = unpack(each)
        local record = call('HMGET', message(id), 'sending_at', 'crash_log', 'crashes')
        local poison = crash and #cut == 1 and is_poison(crash.how, record[3], record[2])
        call('HINCRBY', message(id), 'cut', 1)
        count('cut_off')
        call('HSET', message(id), 'uncertain', '1')
        if crash then
            call('HINCRBY', message(id), 'crashes', 1)
            call('HSET', message(id), 'crash_log', (record[2] and record[2] .. '\n' or '')
                .. table.concat({record[1], NOW, crash.epoch, crash.how}, ' '))
        end
        if poison then
            bury(id, chat, 'poison')
        else
            write(id, sequence(), 'status', 'queued')
        end
    end
end
