// Tests the cache of prepared statements.

package vault

import (
	"database/sql"
	"fmt"
	"testing"
)

// inside calls `use` with the one connection of a database that has a table of the numbers 1 to 9.
func inside(t *testing.T, use func(conn *sql.Conn, kept func() int)) {
	t.Helper()
	vault, _ := opened(t, directoryOf(t, somewhere(t)), 1)
	conn, err := vault.db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, statement := range []string{
		"CREATE TEMP TABLE numbers (n INTEGER)",
		"INSERT INTO numbers VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9)",
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	kept := func() (count int) {
		_ = conn.Raw(func(found any) error {
			count = len(found.(*connection).prepared)
			return nil
		})
		return count
	}
	use(conn, kept)
}

func TestAStatementIsPreparedOnce(t *testing.T) {
	inside(t, func(conn *sql.Conn, kept func() int) {
		before := kept()
		for n := range 3 {
			var found int
			if err := conn.QueryRowContext(ctx, "SELECT n FROM numbers WHERE n > ?", n).Scan(&found); err != nil || found != n+1 {
				t.Fatal(found, err)
			}
			if _, err := conn.ExecContext(ctx, "UPDATE numbers SET n = n WHERE n = ?", n); err != nil {
				t.Fatal(err)
			}
			if now := kept(); now != before+2 {
				t.Errorf("after round %d %d statements are kept, not %d", n, now, before+2)
			}
		}
	})
}

func TestAStatementWhoseRowsAreOpenIsNotRunAgain(t *testing.T) {
	inside(t, func(conn *sql.Conn, _ func() int) {
		const query = "SELECT n FROM numbers WHERE n > ? ORDER BY n"
		rows, err := conn.QueryContext(ctx, query, 3)
		if err != nil {
			t.Fatal(err)
		}
		var outer []int
		for rows.Next() && len(outer) < 9 {
			var n, next int
			if err := rows.Scan(&n); err != nil {
				t.Fatal(err)
			}
			outer = append(outer, n)
			if n == 9 {
				continue
			}
			if err := conn.QueryRowContext(ctx, query, n).Scan(&next); err != nil || next != n+1 {
				t.Fatal(next, err)
			}
		}
		if fmt.Sprint(outer) != "[4 5 6 7 8 9]" || rows.Err() != nil {
			t.Error(outer, rows.Err())
		}
	})
}

func TestAStatementThatFailedIsUsedAgain(t *testing.T) {
	inside(t, func(conn *sql.Conn, _ func() int) {
		if _, err := conn.ExecContext(ctx, "CREATE UNIQUE INDEX temp.once ON numbers (n)"); err != nil {
			t.Fatal(err)
		}
		for n, fails := range map[int]bool{1: true, 10: false, 2: true, 11: false} {
			if _, err := conn.ExecContext(ctx, "INSERT INTO numbers VALUES (?)", n); (err != nil) != fails {
				t.Errorf("%d: %v", n, err)
			}
		}
	})
}

func TestAConnectionKeepsNoMoreStatementsThanItMay(t *testing.T) {
	inside(t, func(conn *sql.Conn, kept func() int) {
		for n := range mostPrepared + 10 {
			var found int
			if err := conn.QueryRowContext(ctx, fmt.Sprintf("SELECT %d", n)).Scan(&found); err != nil || found != n {
				t.Fatal(found, err)
			}
		}
		if now := kept(); now != mostPrepared {
			t.Errorf("%d statements are kept", now)
		}
	})
}
