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
--   keyed        1: the first answer to an Idempotency-Key names it, and counts with it
--   refused_at   since when the state store refuses its view, once it is finished
--   bytes, leaves   what it counts of the connection's budget, and until which hour (`bytes.lua`)
--   revision     rises with every change
-- Every transition may run twice and then answers the same.

-- Each three are an id, what became of the message, and when. Most come in twos: it was delivered,
-- and soon after read.
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
    for _, id in ipairs(ids) do
        prove(id, proofs[id])
    end
    return 'kept'
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

-- Brings the chats that come first in `since` up to date, `PROMOTE` at most: the message that could
-- leave since then may have left, and an older release may have emptied the lane.
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

-- Seconds of `uptime` for which an Idempotency-Key names its message.
local KEPT = 24 * 3600

-- Counts the seconds for which the caller's host ran, by its `uptime` since `boot`: a clock that is set changes none of
-- them. While that host is down they stand still, so that a key lasts longer and never shorter.
local function count_uptime(boot, uptime)
    local before = call('HMGET', COUNTERS, 'boot', 'booted_for', 'uptime')
    local passed = before[1] == boot and math.max(0, uptime - before[2]) or 0
    local total = string.format('%.3f', (before[3] or 0) + passed)
    call('HSET', COUNTERS, 'boot', boot, 'booted_for', uptime, 'uptime', total)
    return tonumber(total)
end

-- Forgets up to `PROMOTE` of the oldest keys whose time is over; how many.
local function forget_keys(uptime)
    for forgotten = 0, PROMOTE - 1 do
        local first = call('LINDEX', KEYED, 0)
        local accepted, key = string.match(first or '', '^(%S+) (%S+)$')
        if not key or accepted + KEPT > uptime then
            return forgotten
        end
        call('DEL', idempotency(key))
        call('LPOP', KEYED)
    end
    return PROMOTE
end

function transitions.promote(boot, uptime)
    follow_clock()
    forget_keys(count_uptime(boot, uptime))
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

-- Lets some expire as if the store had them, for a connection that is removed; how many.
local function let_some_go()
    local refused, last = call('ZRANGE', REFUSED, 0, 99), last_hour()
    for _, id in ipairs(refused) do
        finish(id, 'unread', last)
    end
    note_ends()
    return #refused
end

-- Removes the fixed keys, unless something is open or not mirrored yet; without them nobody claims.
function transitions.close()
    if call('EXISTS', OPEN, CHANGED) > 0 or let_some_go() > 0 or forget_keys(math.huge) > 0 then
        return 'open'
    end
    call('DEL', LEASE, QR, PAIRING_CODE, COUNTERS, READY, FLIGHT, AHEAD, HELD, SCHEDULED, GAPS,
        RESTING, OPEN, SINCE, DEAD, CHANGED, WAKE, ALIASES, NAMELESS, UNASKED, JOINING, LEAVING, REFUSED)
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
