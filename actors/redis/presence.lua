-- Stores the presence and typing of contacts in hashes that expire, one for each chat.
--
-- KEYS  hashes, each of one chat
-- ARGV  for each of them a JSON object: `milliseconds` it is kept, `fields` to set (name, value, ...),
--       `gone` the names of those to remove, or `forget` where all of it is
--
-- Nothing of it goes into the log or to replicas: it is worth nothing after a restart, and no message
-- is to wait for its fsync.

redis.set_repl(redis.REPL_NONE)

for index, key in ipairs(KEYS) do
    local note = cjson.decode(ARGV[index])
    if note.forget then
        redis.call('UNLINK', key)
    end
    if #note.gone > 0 then
        redis.call('HDEL', key, unpack(note.gone))
    end
    if #note.fields > 0 then
        redis.call('HSET', key, unpack(note.fields))
        redis.call('PEXPIRE', key, note.milliseconds)
    end
end
