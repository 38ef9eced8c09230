-- Transitions of messages, but `accepting.lua` has the first. The record
-- `teimoso:{connection}:message:ID`:
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
--   error        why the last attempt failed; retry_at when the next is due, by the clock of then
--   ticket       its member in `scheduled`; died its score in `dead`
--   revision     rises with every change
-- Every transition may run twice and then answers the same.

local PROOF = {sent = 1, delivered = 2, read = 3}

-- Bounds in seconds of the counts of how long messages took from when they could leave first until
-- they were sent: `record.py` has the same.
local TOOK = {0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800}

local function took(seconds)
    seconds = math.max(0, seconds)
    local bucket = 1
    while TOOK[bucket] and seconds > TOOK[bucket] do
        bucket = bucket + 1
    end
    add('took:' .. bucket, 1)
    add('took:ms', math.floor(seconds * 1000 + 0.5))
end

local function sooner(one, other)
    if one and other then
        return tonumber(one) < tonumber(other) and one or other
    end
    return one or other
end

local function next_due()
    local next = call('ZRANGE', HELD, 0, 0, 'WITHSCORES')[2]
    next = next and string.format('%.6f', next - set_back())
    for _, key in ipairs({SCHEDULED, RESTING}) do
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
        'delivered_at', 'sending_at', 'accepted_at', 'send_at', 'redriven_at', 'uncertain',
        'error', 'retry_at', 'ticket', 'expired_at')
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
        count('sent')
        if record[1] == 'dead' or record[1] == 'cancelled' then
            count('revived')
        end
        took(at - math.max(record[7] or at, record[8] or 0, record[9] or 0))
        leave(id, record[2], record[1] == 'dead')
        if record[10] or record[11] or record[12] or record[13] or record[14] then
            call('HDEL', message(id), 'uncertain', 'error', 'retry_at', 'ticket', 'expired_at')
        end
        call('PEXPIRE', message(id), RETENTION)
    end
    local fields = {status .. '_at', at}
    if not record[3] and status ~= 'sent' then
        table.insert(fields, 'sent_at')
        table.insert(fields, at)
    end
    if status ~= 'sent' and (not known or known < 2) then
        count('delivered')
    end
    if status == 'read' and known ~= 3 then
        count('read')
    end
    if not known or PROOF[status] > known then
        table.insert(fields, 'status')
        table.insert(fields, status)
    end
    write(id, sequence(), unpack(fields))
end

function transitions.receipts(...)
    local given = {...}
    for i = 1, #given, 3 do
        prove(given[i], given[i + 1], given[i + 2])
    end
    return 'kept'
end

-- A clock that was set back would hold a backoff for as long as it was set, and its chat with it.
-- `send_at` is a time of the clock itself, and stays. Called once a second and nowhere else, so that
-- clocks of several hosts are not taken for one that jumps; a failure told between the jump and this
-- is retried sooner by as much.
local function follow_clock()
    local jump = tonumber(call('HGET', COUNTERS, 'clock') or NOW) - NOW
    call('HSET', COUNTERS, 'clock', NOW)
    if jump > 1 then
        call('HSET', COUNTERS, 'set_back', string.format('%.6f', set_back() + jump))
        -- Who waits for a claim has to learn when the next one is due.
        wake()
    end
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
        count('cancelled')
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
        count('cancelled')
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
