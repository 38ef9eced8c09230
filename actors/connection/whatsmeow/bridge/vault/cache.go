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

func (r *remembered[Value]) get(name string) (value Value, found bool) {
	r.lock.Lock()
	defer r.lock.Unlock()
	value, found = r.values[name]
	return value, found
}

func (r *remembered[Value]) put(name string, value Value) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.set(name, value)
}

func (r *remembered[Value]) set(name string, value Value) {
	if r.values == nil || len(r.values) >= mostRemembered {
		r.values = map[string]Value{}
	}
	r.values[name] = value
}

// read returns a value, which `load` reads from the database where it is not known.
//
// It is not kept where it may have been read before a change that was made meanwhile.
func (r *remembered[Value]) read(name string, load func() (Value, error)) (Value, error) {
	r.lock.Lock()
	value, found := r.values[name]
	changes := r.changes
	r.lock.Unlock()
	if found {
		return value, nil
	}
	value, err := load()
	r.lock.Lock()
	defer r.lock.Unlock()
	if err == nil && changes == r.changes {
		r.set(name, value)
	}
	return value, err
}

// forget drops one value, which changes.
func (r *remembered[Value]) forget(name string) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.changes++
	delete(r.values, name)
}

// clear drops all values once one of them changed.
func (r *remembered[Value]) clear() {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.changes++
	r.values = nil
}
