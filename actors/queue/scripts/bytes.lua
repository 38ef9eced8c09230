-- Counts the bytes that a connection's messages take in Redis, and frees those of finished ones: a message that
-- WhatsApp has loses its words once the state store has them, and the record of a finished one expires after it is
-- mirrored.
--   counters.bytes   the sum of `bytes` of all records; `accept` adds, and refuses what is beyond the budget
--   leaving          hash: an hour (since the epoch, by Redis' clock) -> the sum of the records that expire in it,
--                    since Redis reports no single expiry
-- Near the budget, records leave before that hour (`early_expiry.lua`). A finished record whose view the state store
-- refuses is in `refused`, and does not expire until a person decides (`refused_views.lua`).

-- Records of finished messages, in milliseconds: seven days.
local RETENTION = 7 * 24 * 3600 * 1000
local HOUR = 3600 * 1000
-- Bytes of a record without words, with its key and its expiry: an upper bound, measured (`make bench`).
local BARE = 520

local REFUSED = BASE .. ':refused'

local function milliseconds()
    local time = call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The hour in which a record expires whose time begins now.
local function last_hour()
    return math.floor((milliseconds() + RETENTION) / HOUR)
end

-- Bytes to add to `leaving`, by hour: each hour is written once, at the end of a transition.
local ends = {}

local function count_end(hour, bytes)
    ends[hour] = (ends[hour] or 0) + bytes
end

local function note_ends()
    for hour, bytes in pairs(ends) do
        call('HINCRBY', LEAVING, hour, bytes)
    end
end

-- The bytes that a record counts once its words are dropped.
local function bare(keyed)
    return BARE + NAMED + (keyed == '1' and KEY_BYTES + NAMED or 0)
end

-- Drops the words. The record is made anew: Redis stores a hash compactly only if none of its values ever was a
-- long one.
local function shed(id, bytes, leaves)
    local record, kept = call('HGETALL', message(id)), {'text', '', 'stored', '1', 'bytes', bytes, 'leaves', leaves}
    local gone = {text = true, content = true, bytes = true, leaves = true}
    for i = 1, #record, 2 do
        if not gone[record[i]] then
            table.insert(kept, record[i])
            table.insert(kept, record[i + 1])
        end
    end
    call('DEL', message(id))
    call('HSET', message(id), unpack(kept))
end

-- The lease record has their number, for those who read how the connection is.
local function count_refused()
    if call('EXISTS', LEASE) == 1 then
        call('HSET', LEASE, 'refused_sends', call('ZCARD', REFUSED))
    end
end

-- Keeps a finished record until a person decides.
local function hold(id, bytes, leaves, refused_at)
    if leaves then
        call('PERSIST', message(id))
        call('HDEL', message(id), 'leaves')
        count_end(leaves, -bytes)
    end
    if not refused_at then
        call('ZADD', REFUSED, sequence(), id)
        call('HSET', message(id), 'refused_at', string.format('%.3f', milliseconds() / 1000))
        count_refused()
    end
end

local function let_go(id)
    call('ZREM', REFUSED, id)
    call('HDEL', message(id), 'refused_at')
    count_refused()
end

-- Lets a record that is finished and mirrored expire, and drops its words where the store and WhatsApp have them.
-- `last` is the hour in which a record expires whose time begins now.
local function finish(id, words, last)
    local record = call('HMGET', message(id), 'status', 'expired_at', 'stored', 'bytes', 'leaves', 'keyed', 'refused_at')
    local proven = PROOF[record[1]]
    local drops = proven and words == 'whole' and record[3] ~= '1'
    local bytes, leaves = tonumber(record[4] or 0), record[5] and tonumber(record[5])
    if not (proven or record[1] == 'cancelled' or record[2]) then
        return
    elseif words == 'refused' then
        return hold(id, bytes, leaves, record[7])
    elseif record[7] then
        let_go(id)
    end
    if leaves and not drops then
        return
    end
    local within = leaves and call('PTTL', message(id)) or RETENTION
    local weight = drops and bare(record[6]) or bytes
    if drops then
        shed(id, weight, leaves or last)
    else
        call('HSET', message(id), 'leaves', last)
    end
    call('PEXPIRE', message(id), within)
    add('bytes', weight - bytes)
    count_end(leaves or last, weight - (leaves and bytes or 0))
end

-- `...` are stored elsewhere: each three are an id, the revision that is stored, and how: `whole`, `unread` where
-- only a newer release knows its words, `refused` where the store does not take it whole. A record that changed since stays
-- marked.
function transitions.mirrored(...)
    local given = {...}
    local last = last_hour()
    for i = 1, #given, 3 do
        local id, revision, words = given[i], given[i + 1], given[i + 2]
        if call('ZSCORE', CHANGED, id) == revision then
            call('ZREM', CHANGED, id)
            finish(id, words, last)
        end
    end
    note_ends()
    return 'kept'
end

-- Takes expired records out of the count; returns the bytes that are left.
function transitions.expired()
    local now, left = math.floor(milliseconds() / HOUR), call('HGETALL', LEAVING)
    for i = 1, #left, 2 do
        if tonumber(left[i]) < now then
            add('bytes', -left[i + 1])
            call('HDEL', LEAVING, left[i])
        end
    end
    return (call('HGET', COUNTERS, 'bytes') or 0) + (added.bytes or 0)
end

-- Counts the records of `...` that an older release accepted uncounted. After the `last` call all records count.
function transitions.weigh(last, ...)
    for _, id in ipairs({...}) do
        local record = call('HMGET', message(id), 'status', 'bytes', 'stored')
        if record[1] and not record[2] then
            local words = call('HSTRLEN', message(id), 'text') + call('HSTRLEN', message(id), 'content')
            local bytes = record[3] == '1' and bare() or WEIGHT + 2 * NAMED + words
            add('bytes', bytes)
            -- Whether a key gave its id is not known.
            call('HSET', message(id), 'bytes', bytes, 'keyed', '0')
            local left = call('PTTL', message(id))
            if left > 0 then
                local leaves = math.floor((milliseconds() + left) / HOUR)
                call('HSET', message(id), 'leaves', leaves)
                count_end(leaves, bytes)
            end
        end
    end
    note_ends()
    if last == '1' then
        call('HSET', COUNTERS, 'weighed', 1)
    end
    return 'kept'
end
