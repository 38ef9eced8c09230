// Reports failures of the key database, also those that the library only logs, classified as fenced, full or broken.

package vault

import (
	"context"
	"database/sql"
	"errors"
	"syscall"
	"time"

	"go.mau.fi/util/dbutil"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrFull reports that there is no room left on the device.
var ErrFull = errors.New("disk_full")

// ErrStore reports any other failure of the database.
var ErrStore = errors.New("store_failed")

// watch reports failures of statements, also those whose error the library only logs.
type watch struct {
	dbutil.DatabaseLogger
	failed func(error)
}

// QueryTiming is called after each statement, BEGIN and COMMIT.
func (w *watch) QueryTiming(_ context.Context, _, _ string, _ []any, _ int, _ time.Duration, err error) {
	if found := classify(err); found != nil && !harmless(err) {
		w.failed(found)
	}
}

// harmless holds for errors that say nothing about the database: a row that is not there, a caller that gave
// up, a value that the schema refuses.
func harmless(err error) bool {
	if errors.Is(err, sql.ErrNoRows) || errors.Is(err, context.Canceled) || errors.Is(err, sql.ErrTxDone) {
		return true
	}
	var found *sqlite.Error
	if !errors.As(err, &found) || isFence(err) {
		return false
	}
	kind := found.Code() & 0xff
	return kind == sqlite3.SQLITE_CONSTRAINT || kind == sqlite3.SQLITE_INTERRUPT
}

func classify(err error) error {
	var found *sqlite.Error
	switch {
	case err == nil:
		return nil
	case isFence(err):
		return ErrFenced
	case errors.Is(err, syscall.ENOSPC), errors.As(err, &found) && found.Code()&0xff == sqlite3.SQLITE_FULL:
		return ErrFull
	default:
		return errors.Join(ErrStore, err)
	}
}
