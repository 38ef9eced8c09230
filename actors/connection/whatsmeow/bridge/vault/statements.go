// Caches prepared SQL statements for each connection to the key database.

package vault

import (
	"context"
	"database/sql/driver"

	"modernc.org/sqlite"
)

// mostPrepared is how many statements a connection keeps prepared: those of the library that name no list.
const mostPrepared = 64

// sqliteConn is what database/sql uses of sqlite's connection.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	sqlite.ExecQuerierContext
}

// sqliteStatement is a prepared statement, which sqlite resets after each use.
type sqliteStatement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// connection keeps statements prepared: the library names the same ones for each message, and parsing them with
// the triggers that fence them costs more than running them.
//
// A statement is away from `prepared` while it runs or has rows to read; the same text is prepared once more then.
type connection struct {
	sqliteConn
	prepared map[string]sqliteStatement
}

// ExecContext runs a statement that returns no rows.
func (one *connection) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	statement, err := one.take(ctx, query)
	if err != nil {
		return nil, err
	}
	result, err := statement.ExecContext(ctx, args)
	one.put(query, statement)
	return result, err
}

// QueryContext runs a statement; it is at hand again once its rows are closed.
func (one *connection) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	statement, err := one.take(ctx, query)
	if err != nil {
		return nil, err
	}
	found, err := statement.QueryContext(ctx, args)
	if err != nil {
		one.put(query, statement)
		return nil, err
	}
	return &rows{found, func() { one.put(query, statement) }}, nil
}

// Close closes the connection, and before that what it has prepared.
func (one *connection) Close() error {
	for _, statement := range one.prepared {
		_ = statement.Close()
	}
	one.prepared = nil
	return one.sqliteConn.Close()
}

func (one *connection) take(ctx context.Context, query string) (sqliteStatement, error) {
	if statement, found := one.prepared[query]; found {
		delete(one.prepared, query)
		return statement, nil
	}
	made, err := one.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return made.(sqliteStatement), nil
}

func (one *connection) put(query string, statement sqliteStatement) {
	if _, another := one.prepared[query]; another || one.prepared == nil || len(one.prepared) >= mostPrepared {
		_ = statement.Close()
		return
	}
	one.prepared[query] = statement
}

// rows are those of a prepared statement.
type rows struct {
	driver.Rows
	done func()
}

func (one *rows) Close() error {
	err := one.Rows.Close()
	if one.done != nil {
		one.done()
		one.done = nil
	}
	return err
}
