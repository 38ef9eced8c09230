// Encodes records of earlier releases in the key database anew, in the compact form, as it is opened.

package vault

import (
	"context"
	"database/sql"
	"fmt"

	"teimoso-whatsmeow/records"
)

// compactedTogether is how many records are encoded anew in one transaction.
const compactedTogether = 64

// compactable are the columns with records, and how one of the library's form is encoded anew; nil where it cannot be read.
var compactable = []struct {
	table, column string
	encode        func([]byte) []byte
}{
	{"whatsmeow_sessions", "session", func(encoded []byte) []byte {
		if all, err := records.Sessions.Deserialize(encoded); err == nil {
			return records.Sessions.Serialize(all)
		}
		return nil
	}},
	{"whatsmeow_sender_keys", "sender_key", func(encoded []byte) []byte {
		if all, err := records.SenderKeys.Deserialize(encoded); err == nil {
			return records.SenderKeys.Serialize(all)
		}
		return nil
	}},
}

// compact encodes the records of earlier versions, and of other programs, anew: until then a message of their peer, a forged one
// as well, has all of them decoded.
//
// Some share a transaction. One that is cut short goes on at the next opening.
func (vault *Vault) compact(ctx context.Context) error {
	for _, each := range compactable {
		for last, more := int64(0), true; more; {
			var err error
			if last, more, err = vault.compactSome(ctx, each.table, each.column, each.encode, last); err != nil {
				return classify(err)
			}
		}
	}
	return nil
}

// compactSome goes on behind the row `last`, and returns the last one that it came to, and whether there may be more.
func (vault *Vault) compactSome(
	ctx context.Context, table, column string, encode func([]byte) []byte, last int64,
) (int64, bool, error) {
	left, err := vault.uncompacted(ctx, table, column, last)
	if err != nil || len(left) == 0 {
		return last, false, err
	}
	transaction, err := vault.db.BeginTx(ctx, nil)
	if err != nil {
		return last, false, err
	}
	defer func() { _ = transaction.Rollback() }()
	read, write := fmt.Sprintf("SELECT %s FROM %s WHERE rowid = ?", column, table),
		fmt.Sprintf("UPDATE %s SET %s = ? WHERE rowid = ?", table, column)
	for _, row := range left {
		var encoded []byte
		if err := transaction.QueryRowContext(ctx, read, row).Scan(&encoded); err != nil {
			if err == sql.ErrNoRows {
				continue
			}
			return last, false, err
		}
		if anew := encode(encoded); anew != nil {
			if _, err := transaction.ExecContext(ctx, write, anew, row); err != nil {
				return last, false, err
			}
		}
	}
	return left[len(left)-1], len(left) == compactedTogether, transaction.Commit()
}

func (vault *Vault) uncompacted(ctx context.Context, table, column string, last int64) (found []int64, err error) {
	rows, err := vault.db.QueryContext(ctx, fmt.Sprintf(
		"SELECT rowid FROM %s WHERE rowid > ? AND substr(%s, 1, 1) = x'7b' ORDER BY rowid LIMIT %d",
		table, column, compactedTogether,
	), last)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var row int64
		if err := rows.Scan(&row); err != nil {
			return nil, err
		}
		found = append(found, row)
	}
	return found, rows.Err()
}
