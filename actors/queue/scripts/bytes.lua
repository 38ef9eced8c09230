-- Counts the bytes that a connection's messages take in Redis, and frees those of finished ones: a message that
-- WhatsApp has loses its words once the state store has them, and the record of a finished one leaves a day later,
-- its Idempotency-Key with it.
--   counters.bytes   the sum of `bytes` of all records; `accept` adds, and refuses what is beyond the budget
--   counters.uptime  the seconds by which that day is counted: those for which the QueueActor's host ran, so that a
--                    clock that is set changes none of them. While that host is down they stand still, so that a record
--                    stays longer and never shorter
--   finished         zset: a message that is finished and mirrored -> `uptime` at that moment
-- A finished record that the state store does not have whole is in `refused`, and stays until a person decides
-- (`refused_views.lua`).

-- Seconds of `uptime` for which the record of a finished message stays.
local KEPT = 24 * 3600
-- Records that one script removes; some milliseconds.
local REMOVED = 1000
-- Bytes of a record without words, with its key and its place: an upper bound, measured (`make bench`).
local BARE = 600

local REFUSED = BASE .. ':refused'

local function uptime()
    return tonumber(call('HGET', COUNTERS, 'uptime') or 0)
end

-- Counts the seconds since `boot` of the caller's host.
local function count_uptime(boot, seconds)
    local before = call('HMGET', COUNTERS, 'boot', 'booted_for')
    local passed = before[1] == boot and math.max(0, seconds - before[2]) or 0
    local total = string.format('%.3f', uptime() + passed)
    call('HSET', COUNTERS, 'boot', boot, 'booted_for', seconds, 'uptime', total)
end

-- Keeps and counts a record that Redis is to expire, since a former build finished it (`leaves`).
local function persist(id)
    if call('HDEL', message(id), 'leaves') == 1 then
        call('PERSIST', message(id))
        add('bytes', call('HGET', message(id), 'bytes'))
    end
end

-- Counts no longer the records that Redis is to expire, whose bytes a former build noted by the hour.
local function forget_hours()
    for _, bytes in ipairs(call('HVALS', LEAVING)) do
        add('bytes', -bytes)
    end
    call('DEL', LEAVING)
end

-- Removes up to `REMOVED` of the records whose day is over, and their keys with them.
local function remove_finished()
    local now = uptime()
    for _, id in ipairs(call('ZRANGEBYSCORE', FINISHED, '-inf', now - KEPT, 'LIMIT', 0, REMOVED)) do
        if call('ZSCORE', CHANGED, id) then
            -- The state store lacks its last change: a day more.
            call('ZADD', FINISHED, now, id)
        else
            local record = call('HMGET', message(id), 'bytes', 'key')
            if record[2] then
                call('DEL', idempotency(record[2]))
            end
            call('DEL', message(id))
            call('ZREM', FINISHED, id)
            add('bytes', -(record[1] or 0))
        end
    end
end

-- Drops the words. The record is made anew: Redis stores a hash compactly only if none of its values ever was a
-- long one.
local function shed(id)
    local gone, kept = {text = true, content = true, bytes = true}, {}
    local record, bytes, keyed = call('HGETALL', message(id)), 0, false
    for i = 1, #record, 2 do
        local field, value = record[i], record[i + 1]
        keyed = keyed or field == 'key'
        if field == 'bytes' then
            bytes = value
        elseif not gone[field] then
            table.insert(kept, field)
            table.insert(kept, value)
        end
    end
    local bare = BARE + NAMED + (keyed and KEY_BYTES + NAMED or 0)
    call('DEL', message(id))
    call('HSET', message(id), 'text', '', 'stored', '1', 'bytes', bare, unpack(kept))
    add('bytes', bare - bytes)
end

-- The lease record has their number, for those who read how the connection is.
local function count_refused()
    if call('EXISTS', LEASE) == 1 then
        call('HSET', LEASE, 'refused_sends', call('ZCARD', REFUSED))
    end
end

-- Keeps a finished record until a person decides.
local function hold(id, refused_at)
    call('ZREM', FINISHED, id)
    if not refused_at then
        call('ZADD', REFUSED, sequence(), id)
        call('HSET', message(id), 'refused_at', NOW)
        count_refused()
    end
end

local function let_go(id)
    call('ZREM', REFUSED, id)
    call('HDEL', message(id), 'refused_at')
    count_refused()
end

-- Begins the day of a record that is finished and mirrored, and drops its words where the store and WhatsApp have them.
local function finish(id, lacks)
    persist(id)
    local record = call('HMGET', message(id), 'status', 'expired_at', 'stored', 'refused_at')
    local proven = PROOF[record[1]]
    if not (proven or record[1] == 'cancelled' or record[2]) then
        return
    elseif lacks == '1' then
        return hold(id, record[4])
    elseif record[4] then
        let_go(id)
    end
    call('ZADD', FINISHED, 'NX', uptime(), id)
    if proven and record[3] ~= '1' then
        shed(id)
    end
end

-- `...` are stored elsewhere: each three are an id, the revision that is stored, and 1 where the store does not have it
-- whole: it refuses it, or only a newer release knows its words. A record that changed since stays marked.
function transitions.mirrored(...)
    local given = {...}
    for i = 1, #given, 3 do
        local id, revision, lacks = given[i], given[i + 1], given[i + 2]
        if call('ZSCORE', CHANGED, id) == revision then
            call('ZREM', CHANGED, id)
            finish(id, lacks)
        end
    end
    return 'kept'
end
