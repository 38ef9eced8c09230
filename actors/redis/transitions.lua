-- Defines what all scripts on a connection's queue and lease share: keys, message records, places in the queue.
-- Other files are put behind this one, and all run as one script (`scripts.py`). A script is made of what it
-- needs and no more: Lua makes all of its functions anew for each run.
--
-- KEYS[1]  teimoso:{connection}, the base of every key that is made here (`keys.py`). All of them carry
--          its hash tag, so they are in the same slot of a cluster. They are not in KEYS themselves:
--          which chat is next, say, is found out only here, and fifteen keys cost a seventh of
--          a call.
-- ARGV[1]  the transition
-- ARGV[2]  now, the caller's clock in seconds: a decision takes the time of its caller, and tests
--          need no clock. Lifetimes (PEXPIRE) are relative and counted by the server, so a caller
--          whose clock jumps deletes nothing.
--
-- A message that is open is in exactly one of: a lane, `scheduled`. A chat that has a lane is in
-- exactly one of: `ready`, `resting`, `flight`, `held` (by its message). A message in flight or in
-- backoff stays in its lane, and so keeps its place whatever happens. Every step is O(log n).
--
-- A chat that has a lane is in `since` too, by a time that is not after the one from which its next
-- message may leave: from the end of the limit that holds it on, say. `promote` brings up to date
-- those that come first (`lanes.lua`), so that no other transition pays for it.
--
-- One that is `ahead` is its owner's too, to leave once the one in flight in its chat is known to
-- have arrived: so the owner has not to ask in between. It takes over the flight when that one
-- leaves the queue, and goes back to its place, unattempted, when that one does.

local BASE, TRANSITION, NOW = KEYS[1], ARGV[1], ARGV[2]
local LEASE, QR, PAIRING_CODE = BASE .. ':lease', BASE .. ':qr', BASE .. ':pairing_code'
local PASSKEY = BASE .. ':passkey'
local COUNTERS, READY, FLIGHT, AHEAD = BASE .. ':counters', BASE .. ':ready', BASE .. ':flight', BASE .. ':ahead'
local HELD, SCHEDULED, GAPS, RESTING = BASE .. ':held', BASE .. ':scheduled', BASE .. ':gaps', BASE .. ':resting'
local OPEN, DEAD, CHANGED, WAKE = BASE .. ':open', BASE .. ':dead', BASE .. ':changed', BASE .. ':wake'
local SINCE, ALIASES = BASE .. ':since', BASE .. ':aliases'
local NAMELESS, UNASKED, JOINING = BASE .. ':nameless', BASE .. ':unasked', BASE .. ':joining'
local LEAVING, FINISHED = BASE .. ':leaving', BASE .. ':finished'
local call = redis.call
local transitions = {}

-- Rank in a lane: priority, then order. 9 * 2^48 and 2^48 messages are exact in a double.
local PRIORITY = 2 ^ 48
-- Turn of a chat: a level of priority is worth this many turns, so a late one is never starved.
local LEVEL = 1000
-- Bytes that an open message takes in Redis beside its text and content, with its places and its keys: an upper
-- bound, measured (`make bench`).
local WEIGHT = 1000
-- Bytes of the id that an Idempotency-Key names: an upper bound, measured. It counts as long as its message's record.
local KEY_BYTES = 640
-- Bytes by which the names of keys are longer than the measured ones, for each key.
local NAMED = math.max(0, #BASE - 28)
-- Addresses that `aliases` has at most, and `nameless`; some megabytes.
local NAMES = 20000

local function message(id)
    return BASE .. ':message:' .. id
end

-- The message that was accepted under this digest of an Idempotency-Key.
local function idempotency(key)
    return BASE .. ':idempotency:' .. key
end

local function lane(chat)
    return BASE .. ':lane:' .. chat
end

-- The address of a chat today: a LID's number, once that is known, or the number that answers for another one.
local function named(chat)
    local new = call('HGET', ALIASES, chat)
    while new do
        chat = new
        new = call('HGET', ALIASES, chat)
    end
    return chat
end

local function is_lid(chat)
    return string.sub(chat, -4) == '@lid'
end

-- The chat into whose lane a message goes. The owner is asked before the next claim whether a LID has a name,
-- where that may be one that was dropped (`renames.lua`).
local function destined(chat)
    chat = named(chat)
    if is_lid(chat) and call('SADD', NAMELESS, chat) == 1 then
        if call('SCARD', NAMELESS) > NAMES then
            call('SPOP', NAMELESS)
        end
        if call('HEXISTS', COUNTERS, 'dropped') == 1 then
            call('SADD', UNASKED, chat)
        end
    end
    return chat
end

-- Set while the owner claims: it is looking already.
local looking = false

-- One token is enough: the process that takes it looks at everything.
local function wake()
    if not looking and call('LLEN', WAKE) == 0 then
        call('RPUSH', WAKE, '1')
    end
end

-- The additions of this script to `counters`: each is written once, at its end (`run`), and not for each
-- message; and the first number that it gave of each, which is written at once, since a script that
-- gives no other then needs no second command.
local added, given = {}, {}

local function add(counter, by)
    added[counter] = (added[counter] or 0) + by
end

local function following(counter)
    if not given[counter] then
        given[counter] = call('HINCRBY', COUNTERS, counter, 1)
        return given[counter]
    end
    add(counter, 1)
    return given[counter] + added[counter]
end

local function sequence()
    return following('seq')
end

-- Counts what became of messages, in the script that does it: so no count is lost, and none is twice.
local function count(what)
    add('count:' .. what, 1)
end

-- The transition. Its counts are written also where it ends in an error: no number is given twice.
local function run()
    local fine, answer = pcall(transitions[TRANSITION], unpack(ARGV, 3))
    for counter, by in pairs(added) do
        call('HINCRBY', COUNTERS, counter, by)
    end
    if not fine then
        error(answer, 0)
    end
    return answer
end

-- Changes a record and marks it for mirroring.
local function write(id, revision, ...)
    call('HSET', message(id), 'revision', revision, ...)
    call('ZADD', CHANGED, revision, id)
end

-- Gives a chat its turn behind the others; its next message has this priority.
local function line_up(chat, priority)
    call('ZADD', READY, following('turn') + priority * LEVEL, chat)
    call('ZADD', SINCE, 'NX', NOW, chat)
    wake()
end

-- Gives a chat that is neither in flight nor held its turn behind the others; a chat without
-- messages leaves.
local function ready(chat)
    local head = call('ZRANGE', lane(chat), 0, 0, 'WITHSCORES')
    if head[1] then
        line_up(chat, math.floor(tonumber(head[2]) / PRIORITY))
    else
        call('ZREM', READY, chat)
        call('ZREM', RESTING, chat)
        call('ZREM', SINCE, chat)
    end
end

-- Puts a message at the tail of its priority in its lane.
local function place(id, chat, priority, seq)
    local key = lane(chat)
    priority = tonumber(priority)
    call('ZADD', key, priority * PRIORITY + seq, id)
    if call('ZRANK', key, id) > 0 then
        return
    elseif call('ZCARD', key) == 1 then
        line_up(chat, priority)
    else
        -- More urgent than all before it. XX: only if the chat waits for its turn.
        local turn = following('turn')
        call('ZADD', READY, 'XX', 'LT', turn + priority * LEVEL, chat)
    end
end
