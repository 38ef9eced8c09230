// Caches values of the key database in memory, for tables that only this process changes.

package vault

import "sync"

// mostRemembered is how many values of a table are kept in memory; then all are forgotten, and read again.
const mostRemembered = 256

// remembered are values of the database that are read for each message. This process alone changes them.
type remembered[Value any] struct {
	lock    sync.Mutex
	values  map[string]Value
	changes int
}

func (all *remembered[Value]) get(name string) (value Value, found bool) {
	all.lock.Lock()
	defer all.lock.Unlock()
	value, found = all.values[name]
	return value, found
}

func (all *remembered[Value]) put(name string, value Value) {
	all.lock.Lock()
	defer all.lock.Unlock()
	all.set(name, value)
}

func (all *remembered[Value]) set(name string, value Value) {
	if all.values == nil || len(all.values) >= mostRemembered {
		all.values = map[string]Value{}
	}
	all.values[name] = value
}

// read returns a value, which `load` reads from the database where it is not known.
//
// It is not kept where it may have been read before a change that was made meanwhile.
func (all *remembered[Value]) read(name string, load func() (Value, error)) (Value, error) {
	all.lock.Lock()
	value, found := all.values[name]
	changes := all.changes
	all.lock.Unlock()
	if found {
		return value, nil
	}
	value, err := load()
	all.lock.Lock()
	defer all.lock.Unlock()
	if err == nil && changes == all.changes {
		all.set(name, value)
	}
	return value, err
}

// forget drops one value, which changes.
func (all *remembered[Value]) forget(name string) {
	all.lock.Lock()
	defer all.lock.Unlock()
	all.changes++
	delete(all.values, name)
}

// clear drops all values once one of them changed.
func (all *remembered[Value]) clear() {
	all.lock.Lock()
	defer all.lock.Unlock()
	all.changes++
	all.values = nil
}
