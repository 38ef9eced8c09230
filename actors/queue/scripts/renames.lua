-- Joins the lanes of two addresses (LID, phone number) of one person: the old one's lane joins the new one's. Until
-- a join is done both chats rest for an unlimited time (in `gaps` and `resting`, by infinity), so that nothing of
-- either is claimed. It outlives its owner: the next one goes on with it, or the two lanes would be sent side by side.
--   aliases      hash: the old address -> the new one, for what is accepted, due or sent again later (`named`)
--                Of LIDs beyond `NAMES` some are dropped: the owner's session has all
--   joining      hash: the old chat -> the new one, and the end of the gap by the pacing of both
--   nameless     set: LIDs that messages were accepted for while their number was not known, `NAMES` at most
--   unasked      set: those among them whose name may have been dropped; until the owner reports each, nothing is claimed
--   counters.dropped   1: names were dropped
--   counters.renamed   the number of the last pair that the owner's session reported, with all before it

local FOREVER = '+inf'

-- The joins that are not done: pairs of the new chat and the end of the gap, by the old chat.
local function unfinished()
    local found, joins = call('HGETALL', JOINING), {}
    for i = 1, #found, 2 do
        local new, gap = string.match(found[i + 1], '^(%S+) (%S+)$')
        joins[found[i]] = {new, tonumber(gap)}
    end
    return joins
end

-- An unfinished join, as it is kept.
local function joined_by(new, gap)
    return string.format('%s %.6f', new, gap)
end

-- The end of the chat's gap by the pacing; 0 where there is none.
local function gap_of(chat)
    local till = call('ZSCORE', GAPS, chat)
    return till and till ~= 'inf' and tonumber(till) or 0
end

-- Has a chat rest until `release`; one without a lane rests once it has one.
local function hold_back(chat)
    call('ZADD', GAPS, FOREVER, chat)
    if call('ZREM', READY, chat) == 1 or call('ZSCORE', RESTING, chat) then
        call('ZADD', RESTING, FOREVER, chat)
    end
end

-- Ends the rest of a chat, or has it go on until its gap is over.
local function release(chat, gap)
    call('ZREM', GAPS, chat)
    if gap > tonumber(NOW) then
        call('ZADD', GAPS, string.format('%.6f', gap), chat)
    end
    if call('ZREM', RESTING, chat) == 1 then
        ready(chat)
    end
end

-- A few milliseconds' worth of messages.
local SHARE = 500

local function held_in(chat)
    local from = 0
    while true do
        local ids = call('ZRANGE', lane(chat), from, from + PROMOTE - 1)
        if #ids == 0 then
            return
        end
        for _, id in ipairs(ids) do
            if call('ZSCORE', HELD, id) then
                return id
            end
        end
        from = from + PROMOTE
    end
end

-- Of two messages that hold one chat, the one that is due later goes on to hold it; the other one is queued.
local function hold_by_one(one, other)
    if not other then
        return
    end
    if tonumber(call('ZSCORE', HELD, one)) > tonumber(call('ZSCORE', HELD, other)) then
        one = other
    end
    call('ZREM', HELD, one)
    call('HDEL', message(one), 'retry_at')
    write(one, sequence(), 'status', 'queued')
end

-- Whether a chat with a lane waits for its turn or its gap; one that does not is in flight or held.
local function is_placed(chat)
    return call('ZSCORE', READY, chat) or call('ZSCORE', RESTING, chat)
end

-- Moves a share of the old lane, its first messages, to their places in the new one. Neither has one in flight, both rest.
local function move(old, new)
    local old_is_held = not is_placed(old)
    local new_is_held = call('EXISTS', lane(new)) == 1 and not is_placed(new)
    local holds = new_is_held and 'new' or 'none'
    local first = call('ZRANGE', lane(old), 0, SHARE - 1, 'WITHSCORES')
    for i = 1, #first, 2 do
        local id = first[i]
        if old_is_held and call('ZSCORE', HELD, id) then
            hold_by_one(id, new_is_held and held_in(new))
            old_is_held, new_is_held = false, true
            holds = call('ZSCORE', HELD, id) and 'old' or 'new'
        end
        call('ZADD', lane(new), first[i + 1], id)
        call('HSET', message(id), 'chat', new)
    end
    call('ZREMRANGEBYRANK', lane(old), 0, #first / 2 - 1)
    local since = call('ZSCORE', SINCE, old)
    if holds == 'old' then
        call('ZADD', SINCE, since, new)
    elseif since and holds == 'none' then
        call('ZADD', SINCE, 'LT', since, new)
    end
    if call('EXISTS', lane(old)) == 0 then
        call('ZREM', RESTING, old)
        call('ZREM', SINCE, old)
    elseif not old_is_held then
        call('ZADD', RESTING, FOREVER, old)
    end
    if new_is_held then
        call('ZREM', RESTING, new)
    else
        call('ZADD', RESTING, FOREVER, new)
    end
end

-- Puts followers of a chat that the owner put down back into their lane; returns whether it has one in flight.
local function flies(chat, put_down)
    local follower = call('HGET', AHEAD, chat)
    if follower and put_down[string.match(follower, '^%S+')] then
        step_back(chat)
    end
    return call('HEXISTS', FLIGHT, chat) == 1
end

-- Ends the rest of a chat for one join, unless it rests for another one as well, which gets its gap then.
local function rest_no_more(chat, gap, joins)
    for other, join in pairs(joins) do
        if join[1] == chat then
            call('HSET', JOINING, other, joined_by(chat, math.max(gap, join[2])))
            return
        end
    end
    if gap > gap_of(chat) or call('ZSCORE', GAPS, chat) == 'inf' then
        release(chat, gap)
    end
end

-- Ends a join before it is done: the old chat is its own again.
local function call_off(old, joins)
    local join = joins[old]
    if join then
        call('HDEL', JOINING, old)
        joins[old] = nil
        rest_no_more(old, join[2], joins)
        rest_no_more(join[1], join[2], joins)
    end
end

-- Drops some names where there are too many: of LIDs without a lane or a merge that is still to begin.
local function drop_names()
    if call('HLEN', ALIASES) <= NAMES then
        return
    end
    for _, old in ipairs(call('HRANDFIELD', ALIASES, 8)) do
        if is_lid(old) and call('SISMEMBER', NAMELESS, old) == 0 and call('EXISTS', lane(old)) == 0 then
            call('HDEL', ALIASES, old)
            call('HSET', COUNTERS, 'dropped', 1)
        end
    end
end

-- From now on `old` is called `new`; where the two are one, it is its own again. `...` are followers that the
-- owner put down. Answers `done`; `more`, for another call now; or `busy`, for one once a message of either
-- that is in flight has landed. Then 1 where messages were accepted for `old` before its number was known, and
-- 1 where it had a lane.
function transitions.rename(epoch, old, new, ...)
    if not owns(epoch) then
        return {'lost'}
    end
    call('SREM', UNASKED, old)
    local joins = unfinished()
    if old == new then
        call_off(old, joins)
        call('HDEL', ALIASES, old)
        return {'done', 0, 0}
    end
    if joins[old] and joins[old][1] ~= new then
        call_off(old, joins)
    end
    call_off(new, joins)
    call('HDEL', ALIASES, new)
    call('HSET', ALIASES, old, new)
    drop_names()
    local nameless = call('SISMEMBER', NAMELESS, old)
    local gap = math.max(gap_of(old), gap_of(new), joins[old] and joins[old][2] or 0)
    for other, join in pairs(joins) do
        if join[1] == old then
            -- A join with the old chat goes on with the new one.
            call('HSET', JOINING, other, joined_by(new, join[2]))
            join[1] = new
            hold_back(new)
        end
    end
    local put_down = {}
    for _, id in ipairs({...}) do
        put_down[id] = true
    end
    local old_flies, new_flies = flies(old, put_down), flies(new, put_down)
    local joined = joins[old] and 1 or call('EXISTS', lane(old))
    if call('EXISTS', lane(old)) == 1 then
        call('HSET', JOINING, old, joined_by(new, gap))
        hold_back(old)
        hold_back(new)
        if old_flies or new_flies then
            return {'busy', nameless, 1}
        end
        move(old, new)
        if call('EXISTS', lane(old)) == 1 then
            return {'more', nameless, 1}
        end
    end
    call('HDEL', JOINING, old)
    call('ZREM', GAPS, old)
    joins[old] = nil
    rest_no_more(new, gap, joins)
    return {'done', nameless, joined}
end

-- Notes that the owner's session reported all pairs up to that number, and has on disk that messages were
-- accepted for `...`.
function transitions.note_renamed(epoch, number, ...)
    if not owns(epoch) then
        return 'lost'
    end
    call('HSET', COUNTERS, 'renamed', number)
    if ... then
        call('SREM', NAMELESS, ...)
    end
    return 'kept'
end
