-- Transitions of messages. The record `teimoso:{connection}:message:ID`:
--   chat, type, text, priority, content, send_at   as accepted; content where type and text do not
--                say it all
--   redacted     1: deleted for everyone, and text and content are gone
--   status       queued waiting sending sent delivered read dead cancelled
--   accepted_at, STATUS_at   times
--   attempts     attempts begun, since the last redrive
--   cut          those among them that the end of their owner cut off
--   crashes      those among the cut off whose owner crashed; crash_log a line for each: when the
--                attempt began, when the crash was noticed, the epoch, and how it ended
--   tries        attempts begun, ever: names an attempt, so that a late repetition of what was
--                said of an older one is recognised
--   uncertain    1: an attempt was made whose acknowledgement never came
--   error        why the last attempt failed; retry_at when the next is due
--   ticket       its member in `scheduled`; died its score in `dead`
--   revision     rises with every change
-- Every transition may run twice and then answers the same.

local PROOF = {sent = 1, delivered = 2, read = 3}

local function promote()
    for _, id in ipairs(call('ZRANGEBYSCORE', HELD, '-inf', NOW, 'LIMIT', 0, PROMOTE)) do
        call('ZREM', HELD, id)
        call('HDEL', message(id), 'retry_at')
        write(id, sequence(), 'status', 'queued')
        ready(call('HGET', message(id), 'chat'))
    end
    for _, ticket in ipairs(call('ZRANGEBYSCORE', SCHEDULED, '-inf', NOW, 'LIMIT', 0, PROMOTE)) do
        local id = string.match(ticket, ':(.+)$')
        local record = call('HMGET', message(id), 'chat', 'priority')
        local seq = sequence()
        call('ZREM', SCHEDULED, ticket)
        call('HDEL', message(id), 'ticket')
        write(id, seq, 'status', 'queued', 'queued_at', NOW)
        place(id, record[1], record[2], seq)
    end
end

local function sooner(one, other)
    if one and other then
        return tonumber(one) < tonumber(other) and one or other
    end
    return one or other
end

local function next_due()
    local next
    for _, key in ipairs({HELD, SCHEDULED, RESTING}) do
        next = sooner(next, call('ZRANGE', key, 0, 0, 'WITHSCORES')[2])
    end
    return next
end

-- An acknowledgement or receipt proves a message sent in whatever state it is. Monotone, also in
-- its times: WhatsApp's are whole seconds, so that within one, and never after now, our clock says
-- it better; and none may lie before the step that it follows.
local function prove(id, status, at)
    if tonumber(NOW) - tonumber(at) < 1 then
        at = NOW
    end
    local record = call('HMGET', message(id), 'status', 'chat', 'sent_at', status .. '_at',
        'delivered_at', 'sending_at')
    for _, before in pairs({record[3], record[5], record[6]}) do
        if before and tonumber(before) > tonumber(at) then
            at = before
        end
    end
    local known = PROOF[record[1]]
    if not record[1] or (known and record[4]) then
        return
    end
    if not known then
        leave(id, record[2])
        call('HDEL', message(id), 'uncertain', 'error', 'retry_at', 'ticket', 'expired_at')
        call('PEXPIRE', message(id), RETENTION)
    end
    local fields = {status .. '_at', at}
    if not record[3] and status ~= 'sent' then
        table.insert(fields, 'sent_at')
        table.insert(fields, at)
    end
    if not known or PROOF[status] > known then
        table.insert(fields, 'status')
        table.insert(fields, status)
    end
    write(id, sequence(), unpack(fields))
end

function transitions.accept(
    id, spare, key, fingerprint, keep, chat, kind, text, priority, send_at, content)
    if key ~= '' then
        local first = call('GET', BASE .. ':idempotency:' .. key)
        if first then
            local known, print = string.match(first, '^(%S+) (%S+)$')
            if print ~= fingerprint then
                return {'conflict'}
            end
            return {'replayed', known, call('HGETALL', message(known))}
        end
        if spare ~= '' and call('EXISTS', message(id)) == 1 then
            -- The key is used anew after its time: its first message stays what it is.
            id = spare
        end
    end
    if call('EXISTS', message(id)) == 1 then
        return {'replayed', id, call('HGETALL', message(id))}
    end
    if key ~= '' then
        call('SET', BASE .. ':idempotency:' .. key, id .. ' ' .. fingerprint, 'PX', keep)
    end
    -- What was due before this was accepted goes before it.
    promote()
    local seq = sequence()
    local record = {'chat', chat, 'type', kind, 'text', text, 'priority', priority,
        'attempts', 0, 'accepted_at', NOW}
    if content ~= '' then
        table.insert(record, 'content')
        table.insert(record, content)
    end
    call('ZADD', OPEN, NOW, id)
    if send_at ~= '' and tonumber(send_at) > tonumber(NOW) then
        -- Equal times are due in the order of acceptance: members of one score sort by name.
        local ticket = string.format('%016d:%s', seq, id)
        call('ZADD', SCHEDULED, send_at, ticket)
        write(id, seq, 'status', 'waiting', 'waiting_at', NOW, 'send_at', send_at,
            'ticket', ticket, unpack(record))
        wake()
        return {'accepted', id, seq, 'waiting'}
    end
    if send_at ~= '' then
        table.insert(record, 'send_at')
        table.insert(record, send_at)
    end
    write(id, seq, 'status', 'queued', 'queued_at', NOW, unpack(record))
    place(id, chat, priority, seq)
    return {'accepted', id, seq, 'queued'}
end

local function job(id)
    local record = call('HMGET', message(id), 'chat', 'type', 'text', 'content', 'attempts',
        'cut', 'crashes', 'tries')
    table.insert(record, 1, id)
    return record
end

-- Puts the head of a ready chat in flight.
local function fly(id, chat, turn)
    call('HSET', FLIGHT, chat, id .. ' ' .. turn)
    local record = call('HMGET', message(id), 'attempts', 'tries')
    write(id, sequence(), 'status', 'sending', 'sending_at', NOW,
        'attempts', record[1] + 1, 'tries', (record[2] or 0) + 1)
    return job(id)
end

-- `interval` and `longest` are those of the pacing, `...` the gaps that follow the jobs (`rests` of
-- them), and then what the claimer has in hand.
function transitions.claim(epoch, limit, concurrency, interval, longest, rests, ...)
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
                table.insert(jobs, fly(id, chat, turn))
                keep_apart(chat, given[taken <= tonumber(rests) and taken or 0])
                alone = suspected
            end
        end
    end
    if taken > 0 then
        paced = spend(tonumber(interval))
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

function transitions.fail(epoch, id, tries, code, uncertain, retry_at)
    if not owns(epoch) then
        return 'lost'
    end
    local record = call('HMGET', message(id), 'status', 'chat', 'tries')
    if not in_flight(record, tries) then
        return record[1] or 'dead'
    end
    if uncertain == '1' then
        call('HSET', message(id), 'uncertain', '1')
    end
    if retry_at == '' then
        bury(id, record[2], code)
        return 'dead'
    end
    call('HDEL', FLIGHT, record[2])
    call('ZADD', HELD, retry_at, id)
    write(id, sequence(), 'status', 'waiting', 'waiting_at', NOW, 'error', code,
        'retry_at', retry_at)
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
        if in_flight(record, pairs[i + 1]) then
            land(record[2], call('HGET', FLIGHT, record[2]))
            call('HINCRBY', message(id), 'attempts', -1)
            write(id, sequence(), 'status', 'queued')
        end
    end
    return 'kept'
end

function transitions.receipts(...)
    local given = {...}
    for i = 1, #given, 3 do
        prove(given[i], given[i + 1], given[i + 2])
    end
    return 'kept'
end

-- A clock that was set back would hold a backoff for as long as it was set, and its chat with it:
-- what is in backoff is moved along. `send_at` is a time of the clock itself, and stays. Called once
-- a second and nowhere else, so that it costs no claim anything.
local function follow_clock()
    local now = tonumber(NOW)
    local latest = tonumber(call('HGET', COUNTERS, 'clock') or NOW)
    call('HSET', COUNTERS, 'clock', NOW)
    if latest - now <= 1 then
        return
    end
    local held = call('ZRANGE', HELD, 0, -1, 'WITHSCORES')
    for i = 1, #held, 2 do
        local due = tonumber(held[i + 1]) - (latest - now)
        call('ZADD', HELD, 'XX', due, held[i])
        write(held[i], sequence(), 'retry_at', due)
    end
    -- Who waits for a claim has to learn when the next one is due.
    wake()
end

function transitions.promote()
    follow_clock()
    promote()
    rested()
    return next_due() or ''
end

function transitions.cancel(id)
    local record = call('HMGET', message(id), 'status', 'chat')
    if not record[1] then
        return {'missing'}
    end
    if record[1] == 'queued' or record[1] == 'waiting' then
        leave(id, record[2])
        call('HDEL', message(id), 'retry_at', 'ticket')
        write(id, sequence(), 'status', 'cancelled', 'cancelled_at', NOW)
        call('PEXPIRE', message(id), RETENTION)
    elseif record[1] ~= 'cancelled' then
        return {'refused', record[1]}
    end
    return {'done', call('HGETALL', message(id))}
end

-- Ends up to `limit` messages that are open; how many are left. For a connection that is removed.
function transitions.abandon(code, limit)
    for _, id in ipairs(call('ZRANGE', OPEN, 0, limit - 1)) do
        local record = call('HMGET', message(id), 'status', 'chat')
        if record[1] == 'sending' then
            call('HSET', message(id), 'uncertain', '1')
        end
        leave(id, record[2])
        call('HDEL', message(id), 'retry_at', 'ticket')
        write(id, sequence(), 'status', 'cancelled', 'cancelled_at', NOW, 'error', code)
        call('PEXPIRE', message(id), RETENTION)
    end
    return call('ZCARD', OPEN)
end

-- Removes the fixed keys, unless something is open or not mirrored yet; without them nobody claims.
function transitions.close()
    if call('EXISTS', OPEN, CHANGED) > 0 then
        return 'open'
    end
    call('DEL', unpack(KEYS))
    return 'closed'
end

-- Stored elsewhere in these revisions; a record that changed since stays marked.
function transitions.mirrored(...)
    local pairs = {...}
    for i = 1, #pairs, 2 do
        if call('ZSCORE', CHANGED, pairs[i]) == pairs[i + 1] then
            call('ZREM', CHANGED, pairs[i])
        end
    end
    return 'kept'
end

-- Only what was sent: the rest may have to be sent (again).
function transitions.redact(id)
    local record = call('HMGET', message(id), 'status', 'redacted')
    if PROOF[record[1]] and record[2] ~= '1' then
        call('HDEL', message(id), 'content')
        write(id, sequence(), 'text', '', 'redacted', '1')
    end
end

return transitions[TRANSITION](unpack(ARGV, 4))
