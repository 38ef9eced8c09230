// Package vault opens the library's key database (SQLite) for one owner: durable, and fenced by its epoch.
package vault

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/store/sqlstore/upgrades"
	waLog "go.mau.fi/whatsmeow/util/log"
	"modernc.org/sqlite"
)

// ErrFenced reports that an owner with a newer epoch has the database.
var ErrFenced = errors.New("fenced")

const connections = 4

// A commit is on disk before it returns: FULL, since WAL alone syncs at checkpoints only.
// Writers wait a minute for each other: on a busy disk that is better than a program that ends.
const pragmas = "_busy_timeout=60000&_txlock=immediate&_pragma=foreign_keys(1)" +
	"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"

const ownTables = `
	CREATE TABLE IF NOT EXISTS teimoso_fence (
		one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL
	);
	CREATE TABLE IF NOT EXISTS teimoso_set_aside (
		jid TEXT PRIMARY KEY, reason TEXT NOT NULL, at INTEGER NOT NULL
	);
	CREATE TABLE IF NOT EXISTS teimoso_todo (name TEXT PRIMARY KEY);
`

// Schema returns the version of the library's tables that Open brings a database to.
func Schema() int { return len(upgrades.Table) }

// Vault is the open database. Every write of an older epoch than the newest fails with ErrFenced.
type Vault struct {
	Container *sqlstore.Container
	// Ratchet is the turn of sessions that are in this database.
	Ratchet Ratchet
	wrapped *dbutil.Database
	db      *sql.DB
	stop    context.CancelFunc
	over    chan struct{}
}

// Open opens or creates the database for the owner with this epoch, and fences off older ones.
//
// `failed` is called with ErrFenced, ErrFull or ErrStore whenever a statement fails for another reason than
// its own content; nothing may be acknowledged from then on. It returns ErrFenced where a newer owner was here.
func Open(ctx context.Context, path string, epoch int64, log waLog.Logger, failed func(error)) (*Vault, error) {
	if err := prepare(ctx, path, epoch, log); err != nil {
		return nil, err
	}
	db := open(path, func(conn sqlite.ExecQuerierContext, _ string) error {
		return fence(ctx, conn, epoch)
	})
	wrapped, err := wrap(db, failed)
	if err == nil {
		err = db.PingContext(ctx)
	}
	if err != nil {
		_ = db.Close()
		return nil, classify(err)
	}
	vault := &Vault{
		Container: sqlstore.NewWithWrappedDB(wrapped, log), wrapped: wrapped, db: db, over: make(chan struct{}),
	}
	ctx, vault.stop = context.WithCancel(ctx)
	go vault.deleteHashes(ctx)
	return vault, nil
}

// Close closes the database.
func (v *Vault) Close() error {
	v.stop()
	<-v.over
	return v.db.Close()
}

func prepare(ctx context.Context, path string, epoch int64, log waLog.Logger) error {
	db := open(path, nil)
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, ownTables); err != nil {
		return classify(err)
	}
	if _, err := db.ExecContext(ctx, `
		INSERT INTO teimoso_fence (one, epoch) VALUES (1, ?)
		ON CONFLICT (one) DO UPDATE SET epoch = max(epoch, excluded.epoch)`, epoch); err != nil {
		return classify(err)
	}
	var newest int64
	if err := db.QueryRowContext(ctx, "SELECT epoch FROM teimoso_fence").Scan(&newest); err != nil {
		return classify(err)
	}
	if newest > epoch {
		return ErrFenced
	}
	wrapped, err := wrap(db, func(error) {})
	if err != nil {
		return err
	}
	return classify(sqlstore.NewWithWrappedDB(wrapped, log).Upgrade(ctx))
}

func wrap(db *sql.DB, failed func(error)) (*dbutil.Database, error) {
	wrapped, err := dbutil.NewWithDB(db, "sqlite3")
	if err != nil {
		return nil, err
	}
	wrapped.UpgradeTable = upgrades.Table
	wrapped.VersionTable = "whatsmeow_version"
	wrapped.Log = &watch{DatabaseLogger: dbutil.NoopLogger, failed: failed}
	return wrapped, nil
}

type connector struct {
	driver *sqlite.Driver
	dsn    string
}

func (c *connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }

func (c *connector) Driver() driver.Driver { return c.driver }

func open(path string, hook sqlite.ConnectionHookFn) *sql.DB {
	one := &connector{&sqlite.Driver{}, "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + pragmas}
	if hook != nil {
		one.driver.RegisterConnectionHook(hook)
	}
	db := sql.OpenDB(one)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db
}

// fence has each write of this connection fail once the stored epoch is newer than the connection's.
//
// The condition is part of the statement's own transaction, so that no write of an older owner commits
// after the newer one raised the epoch.
func fence(ctx context.Context, conn sqlite.ExecQuerierContext, epoch int64) error {
	tables, err := names(ctx, conn)
	if err != nil {
		return err
	}
	for _, table := range tables {
		for _, change := range []string{"INSERT", "UPDATE", "DELETE"} {
			statement := fmt.Sprintf(`
				CREATE TEMP TRIGGER fence_%[2]s_%[1]s BEFORE %[2]s ON main.%[1]s
				WHEN (SELECT epoch FROM main.teimoso_fence) > %[3]d
				BEGIN SELECT RAISE(ABORT, 'fenced by a newer epoch'); END`, table, change, epoch)
			if _, err := conn.ExecContext(ctx, statement, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func names(ctx context.Context, conn sqlite.ExecQuerierContext) ([]string, error) {
	rows, err := conn.QueryContext(ctx, `
		SELECT name FROM main.sqlite_master WHERE type = 'table' AND name <> 'teimoso_fence'
		AND (name LIKE 'whatsmeow\_%' ESCAPE '\' OR name LIKE 'teimoso\_%' ESCAPE '\')`, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var found []string
	row := make([]driver.Value, 1)
	for rows.Next(row) == nil {
		if name, ok := row[0].(string); ok {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return nil, errors.New("no tables to fence")
	}
	return found, nil
}

func isFence(err error) bool {
	return errors.Is(err, ErrFenced) || strings.Contains(err.Error(), "fenced by a newer epoch")
}
