// Deletes the hashes of messages that were received long ago, in small steps, for as long as the key database is open.

package vault

import (
	"context"
	"time"
)

// hashesLast is for how long hashes of received messages are of use: the server keeps messages for two weeks, so that
// older ciphertexts cannot come again.
const hashesLast = 14 * 24 * time.Hour

// hashesEvery is how often old hashes are looked for.
const hashesEvery = time.Hour

// hashesTogether is how many rows a step goes through: other transactions wait for one step at most.
const hashesTogether = 500

// hashesRest is for how many times its length nothing is done after a step.
const hashesRest = 3

// deleteHashes deletes old hashes now and every hour, until the context ends or the database failed, which it reports.
func (v *Vault) deleteHashes(ctx context.Context) {
	defer close(v.over)
	for pause := time.Duration(0); wait(ctx, pause); pause = hashesEvery {
		if v.deleteOldHashes(ctx) != nil {
			return
		}
	}
}

// deleteOldHashes goes through all rows, in the order of their arrival.
func (v *Vault) deleteOldHashes(ctx context.Context) error {
	var next, last int64
	err := v.wrapped.QueryRow(ctx, `
		SELECT coalesce((SELECT min(rowid) FROM whatsmeow_event_buffer), 0),
			coalesce((SELECT max(rowid) FROM whatsmeow_event_buffer), -1)`).Scan(&next, &last)
	for ; err == nil && next <= last; next += hashesTogether {
		began := time.Now()
		_, err = v.wrapped.Exec(
			ctx, "DELETE FROM whatsmeow_event_buffer WHERE rowid BETWEEN $1 AND $2 AND insert_timestamp < $3",
			next, next+hashesTogether-1, began.Add(-hashesLast).UnixMilli(),
		)
		wait(ctx, hashesRest*time.Since(began))
	}
	return err
}

// wait returns after this time, or false at the end of the context.
func wait(ctx context.Context, pause time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
		return ctx.Err() == nil
	}
}
