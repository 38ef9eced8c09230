-- Moves messages between states in their lanes: receipts, promotion, cancellation, the end of a connection's queue.
-- The record `teimoso:{connection}:message:ID`:
--   chat, type, text, priority, content, send_at   as accepted; content where type and text do not
--                say it all
--   redacted     1: deleted for everyone, and text and content are gone
--   stored       1: WhatsApp has it and the state store its words; text and content are gone from here
--   status       queued waiting sending sent delivered read dead cancelled
--   accepted_at, STATUS_at   times
--   attempts     attempts begun, since the last redrive; paced_at, where messages are paced, when the
--                first of them was
--   cut          those among them that the end of their owner cut off
--   crashes      those among the cut off whose owner crashed; crash_log a line for each: when the
--                attempt began, when the crash was noticed, the epoch, and how it ended
--   tries        attempts begun, ever: names an attempt, so that a late repetition of what was
--                said of an older one is recognised
--   uncertain    1: an attempt was made whose acknowledgement never came
--   error        why the last attempt failed; retry_at when the next is due, by the clock at that failure
--   ticket       its member in `scheduled`; died its score in `dead`
--   key          the digest of the Idempotency-Key that names it, and counts with it
--   refused_at   since when the state store refuses its view, once it is finished
--   bytes        what it counts of the connection's budget (`bytes.lua`)
--   revision     rises with every change
-- Every transition may run twice and then answers the same.

-- Each three are an id, what became of the message, and when. Most come in twos: it was delivered,
-- and soon after read. The ids that have no record are returned.
function transitions.receipts(...)
    local given, ids, proofs = {...}, {}, {}
    for i = 1, #given, 3 do
        local id = given[i]
        if not proofs[id] then
            proofs[id] = {}
            table.insert(ids, id)
        end
        table.insert(proofs[id], given[i + 1])
        table.insert(proofs[id], given[i + 2])
    end
    local unknown = {}
    for _, id in ipairs(ids) do
        if not prove(id, proofs[id]) then
            table.insert(unknown, id)
        end
    end
    return unknown
end

-- A clock that was set back would hold a backoff for as long as it was set, and its chat with it.
-- `send_at` is a time of the clock itself, and stays. Called once a second and nowhere else, so that
-- clocks of several hosts are not taken for one that jumps; a failure reported between the jump and this
-- is retried sooner by as much.
local function follow_clock()
    local jump = tonumber(call('HGET', COUNTERS, 'clock') or NOW) - NOW
    call('HSET', COUNTERS, 'clock', NOW)
    if jump > 1 then
        call('HSET', COUNTERS, 'set_back', string.format('%.6f', set_back() + jump))
        -- A waiting owner has to learn when the next claim is due.
        wake()
    end
end

local CLOCKS_DIFFER = 60

-- A clock that was ahead while nobody followed it, or on another host, held messages back until times that are far
-- away. One that is held since a time that has not come yet, by more than `CLOCKS_DIFFER` seconds, is due.
local function follow_held()
    for _ = 1, PROMOTE do
        local last = call('ZREVRANGE', HELD, 0, 0, 'WITHSCORES')
        local since, retry_at = unpack(last[1] and call('HMGET', message(last[1]), 'waiting_at', 'retry_at') or {})
        if not since or not retry_at or since + (last[2] - retry_at) <= NOW + set_back() + CLOCKS_DIFFER then
            return
        end
        call('ZADD', HELD, NOW + set_back(), last[1])
    end
end

-- Brings the chats that come first in `since` up to date, `PROMOTE` at most: the message that could
-- leave since then may have left.
local function follow_heads()
    for _ = 1, PROMOTE do
        local chat = call('ZRANGE', SINCE, 0, 0)[1]
        if not chat then
            return
        end
        local head = call('ZRANGE', lane(chat), 0, 0)[1]
        if not head then
            call('ZREM', SINCE, chat)
        elseif call('ZADD', SINCE, 'GT', 'CH', call('ZSCORE', OPEN, head), chat) == 0 then
            return
        end
    end
end

function transitions.promote(boot, seconds)
    follow_clock()
    count_uptime(boot, seconds)
    forget_hours()
    remove_finished()
    follow_held()
    promote()
    rested()
    follow_heads()
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
    end
    return call('ZCARD', OPEN)
end

-- Removes the fixed keys, unless something is open or not mirrored yet; without them nobody claims.
function transitions.close()
    if call('EXISTS', OPEN, CHANGED) > 0 then
        return 'open'
    end
    call('DEL', LEASE, QR, PAIRING_CODE, COUNTERS, READY, FLIGHT, AHEAD, HELD, SCHEDULED, GAPS,
        RESTING, OPEN, SINCE, DEAD, CHANGED, WAKE, ALIASES, NAMELESS, UNASKED, JOINING, LEAVING, FINISHED, REFUSED)
    return 'closed'
end

-- Only what was sent: the rest may have to be sent (again).
function transitions.redact(id)
    local record = call('HMGET', message(id), 'status', 'redacted')
    if PROOF[record[1]] and record[2] ~= '1' then
        call('HDEL', message(id), 'content')
        write(id, sequence(), 'text', '', 'redacted', '1')
    end
end
