// Tests durability and fencing of the key database.

package vault

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	waLog "go.mau.fi/whatsmeow/util/log"
)

var ctx = context.Background()

func nobody([]store.LIDMapping) {}

// opened opens a database; failures are collected in the returned value.
func opened(t *testing.T, path string, epoch int64) (*Vault, *atomic.Value) {
	t.Helper()
	failure := &atomic.Value{}
	vault, err := Open(ctx, path, epoch, waLog.Noop, func(err error) { failure.Store(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = vault.Close() })
	return vault, failure
}

func somewhere(t *testing.T) string { return filepath.Join(t.TempDir(), "a b?c", "whatsmeow.db") }

func directoryOf(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// pairedDevice stores a device with one session, one own and one other sender key, and prekeys.
func pairedDevice(t *testing.T, vault *Vault) *store.Device {
	t.Helper()
	device, err := vault.Device(ctx, nobody)
	if err != nil {
		t.Fatal(err)
	}
	jid := types.NewADJID("15550100001", types.WhatsAppDomain, 1)
	device.ID, device.LID = &jid, types.NewADJID("100000000000001", types.LIDDomain, 1)
	device.Account = &waAdv.ADVSignedDeviceIdentity{
		Details: []byte{1}, AccountSignature: make([]byte, 64), AccountSignatureKey: make([]byte, 32),
		DeviceSignature: make([]byte, 64),
	}
	own := device.LID.SignalAddress().String()
	for _, err := range []error{
		device.Save(ctx),
		device.Sessions.PutSession(ctx, "100000000000002_1:0", []byte("session")),
		device.SenderKeys.PutSenderKey(ctx, "group", own, []byte("own")),
		device.SenderKeys.PutSenderKey(ctx, "group", "100000000000002_1:0", []byte("theirs")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := device.PreKeys.GetOrGenPreKeys(ctx, 10); err != nil {
		t.Fatal(err)
	}
	return device
}

func TestCommitsAreDurable(t *testing.T) {
	vault, _ := opened(t, directoryOf(t, somewhere(t)), 1)
	for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1"} {
		for range connections {
			var found string
			if err := vault.db.QueryRow("PRAGMA " + pragma).Scan(&found); err != nil || found != want {
				t.Errorf("%s is %s (%v), want %s", pragma, found, err, want)
			}
		}
	}
}

func TestOlderOwnerWritesNothingOnceANewerOneCame(t *testing.T) {
	path := directoryOf(t, somewhere(t))
	older, failure := opened(t, path, 1)
	device := pairedDevice(t, older)
	newer, _ := opened(t, path, 2)
	for name, write := range map[string]func() error{
		"session":    func() error { return device.Sessions.PutSession(ctx, "x", []byte("y")) },
		"sender key": func() error { return device.SenderKeys.PutSenderKey(ctx, "x", "y", []byte("z")) },
		"identity":   func() error { return device.Identities.PutIdentity(ctx, "x", [32]byte{}) },
		"prekey":     func() error { return device.PreKeys.RemovePreKey(ctx, 1) },
		"device":     func() error { return device.Save(ctx) },
		"version":    func() error { return device.AppState.PutAppStateVersion(ctx, "x", 1, [128]byte{}) },
		"address": func() error {
			return device.LIDs.PutLIDMapping(ctx, types.NewJID("1", types.HiddenUserServer), types.NewJID("2", types.DefaultUserServer))
		},
		"transaction": func() error {
			return device.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) error {
				return device.Sessions.PutSession(ctx, "x", []byte("y"))
			})
		},
		"aside": func() error { return older.SetAside(ctx, device.GetJID(), "x") },
	} {
		if err := write(); err == nil || !isFence(err) {
			t.Errorf("%s was written by the older owner: %v", name, err)
		}
	}
	if err, _ := failure.Load().(error); !errors.Is(err, ErrFenced) {
		t.Errorf("the failure reported is %v", err)
	}
	if _, err := Open(ctx, path, 1, waLog.Noop, func(error) {}); !errors.Is(err, ErrFenced) {
		t.Errorf("the older owner opened it again: %v", err)
	}
	next, err := newer.Device(ctx, nobody)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Sessions.PutSession(ctx, "x", []byte("y")); err != nil {
		t.Errorf("the newer owner is fenced off: %v", err)
	}
}

func TestEveryTableIsFenced(t *testing.T) {
	vault, _ := opened(t, directoryOf(t, somewhere(t)), 1)
	var tables, fences int
	conn, err := vault.db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for query, into := range map[string]*int{
		"SELECT count(*) FROM main.sqlite_master WHERE type = 'table' AND name NOT IN ('teimoso_fence', 'sqlite_sequence')": &tables,
		"SELECT count(*) FROM temp.sqlite_master WHERE type = 'trigger'":                                                    &fences,
	} {
		if err := conn.QueryRowContext(ctx, query).Scan(into); err != nil {
			t.Fatal(err)
		}
	}
	if tables < 15 || fences != 3*tables {
		t.Errorf("%d fences for %d tables", fences, tables)
	}
}

func TestDevicesAreSetAsideAndNeverDeleted(t *testing.T) {
	vault, _ := opened(t, directoryOf(t, somewhere(t)), 1)
	device := pairedDevice(t, vault)
	if err := device.Delete(ctx); !errors.Is(err, ErrKept) {
		t.Errorf("the library deleted it: %v", err)
	}
	if device.ID == nil || device.Deleted {
		t.Error("the library forgot it")
	}
	if count(t, vault.db, "whatsmeow_device") != 1 || count(t, vault.db, "whatsmeow_sessions") != 1 {
		t.Error("keys are gone")
	}
	next, err := vault.Device(ctx, nobody)
	if err != nil || next.ID != nil {
		t.Errorf("the device that was set aside is in use: %v %v", next.ID, err)
	}
	if err := vault.Forget(ctx, device.GetJID()); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"whatsmeow_device", "whatsmeow_sessions", "whatsmeow_pre_keys", "teimoso_set_aside"} {
		if left := count(t, vault.db, table); left != 0 {
			t.Errorf("%d rows of %s are left after the owner unlinked it", left, table)
		}
	}
}

// The library saves a device when the account's name changes, beside whatever reads its stores.
func TestSavedDeviceKeepsItsStores(t *testing.T) {
	vault, _ := opened(t, directoryOf(t, somewhere(t)), 1)
	device := pairedDevice(t, vault)
	container, addresses, preKeys := device.Container, device.LIDs, device.PreKeys
	device.PushName = "Shop"
	if err := device.Save(ctx); err != nil {
		t.Fatal(err)
	}
	if device.Container != container || device.LIDs != addresses || device.PreKeys != preKeys {
		t.Error("its stores were replaced")
	}
	if loaded, err := vault.Device(ctx, nobody); err != nil || loaded.PushName != "Shop" {
		t.Errorf("%v loaded: %v", loaded, err)
	}
}

func count(t *testing.T, db *sql.DB, table string) (found int) {
	t.Helper()
	if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&found); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRestoredCopyBeginsAnew(t *testing.T) {
	path := directoryOf(t, somewhere(t))
	vault, _ := opened(t, path, 1)
	device := pairedDevice(t, vault)
	copied := path + ".copy"
	if err := vault.Copy(ctx, copied); err != nil {
		t.Fatal(err)
	}
	if err := vault.Copy(ctx, copied); err == nil {
		t.Error("a copy overwrote a file")
	}
	later, err := device.PreKeys.GetOrGenPreKeys(ctx, 812)
	if err != nil {
		t.Fatal(err)
	}
	restored, _ := opened(t, copied, 2)
	if err := restored.Renew(ctx, device.GetJID(), device.GetLID()); err != nil {
		t.Fatal(err)
	}
	if count(t, restored.db, "whatsmeow_sessions") != 0 || count(t, restored.db, "whatsmeow_sender_keys") != 1 {
		t.Error("ratchets of the copy are still in use, or keys of others are gone")
	}
	again, err := restored.Device(ctx, nobody)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := again.PreKeys.GetOrGenPreKeys(ctx, 50)
	if err != nil || fresh[0].KeyID <= later[len(later)-1].KeyID {
		t.Errorf("prekey %d was given out before (%v)", fresh[0].KeyID, err)
	}
	if old, err := again.PreKeys.GetPreKey(ctx, 1); err != nil || old == nil {
		t.Errorf("a prekey that somebody may use is gone: %v", err)
	}
	given, err := again.PreKeys.UploadedPreKeyCount(ctx)
	if err != nil || given != 0 {
		t.Errorf("no fresh prekeys are wanted: %d, %v", given, err)
	}
	if err := again.PreKeys.MarkPreKeysAsUploaded(ctx, fresh[len(fresh)-1].KeyID); err != nil {
		t.Fatal(err)
	}
	if given, err := again.PreKeys.UploadedPreKeyCount(ctx); err != nil || given < len(fresh) {
		t.Errorf("fresh prekeys are wanted still: %d, %v", given, err)
	}
}

func TestPreKeysAreMadeInOneTransaction(t *testing.T) {
	vault, _ := opened(t, directoryOf(t, somewhere(t)), 1)
	device := pairedDevice(t, vault)
	if _, err := vault.db.Exec(`CREATE TRIGGER last BEFORE INSERT ON whatsmeow_pre_keys WHEN NEW.key_id = 700
		BEGIN SELECT RAISE(ABORT, 'no more'); END`); err != nil {
		t.Fatal(err)
	}
	if _, err := device.PreKeys.GetOrGenPreKeys(ctx, 812); err == nil {
		t.Error("more prekeys than the database takes")
	}
	if found := count(t, vault.db, "whatsmeow_pre_keys"); found != 10 {
		t.Errorf("%d prekeys are there, 10 before", found)
	}
}

func TestFullDiskIsToldFromOtherFailures(t *testing.T) {
	vault, failure := opened(t, directoryOf(t, somewhere(t)), 1)
	device := pairedDevice(t, vault)
	vault.stop()
	<-vault.over // nobody else has a connection, which the limit would not hold for
	vault.db.SetMaxOpenConns(1)
	if _, err := vault.db.Exec("PRAGMA max_page_count = 1"); err != nil {
		t.Fatal(err)
	}
	var err error
	for size := 1 << 16; err == nil && size < 1<<30; size *= 2 {
		err = device.Sessions.PutSession(ctx, "large", make([]byte, size))
	}
	if found, _ := failure.Load().(error); !errors.Is(found, ErrFull) {
		t.Errorf("%v was reported as %v", err, found)
	}
}

func TestNewAddressesAreToldOnce(t *testing.T) {
	vault, _ := opened(t, directoryOf(t, somewhere(t)), 1)
	pairedDevice(t, vault)
	var told []store.LIDMapping
	device, err := vault.Device(ctx, func(pairs []store.LIDMapping) { told = append(told, pairs...) })
	if err != nil {
		t.Fatal(err)
	}
	lid, number := types.NewJID("1", types.HiddenUserServer), types.NewJID("15550100002", types.DefaultUserServer)
	for range 2 {
		if err := device.LIDs.PutLIDMapping(ctx, lid, number); err != nil {
			t.Fatal(err)
		}
		if err := device.LIDs.PutManyLIDMappings(ctx, []store.LIDMapping{{LID: lid, PN: number}, {}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(told) != 1 || told[0].LID != lid || told[0].PN != number {
		t.Errorf("told %v", told)
	}
	if pairs, err := vault.Mappings(ctx); err != nil || len(pairs) != 1 || pairs[0] != [2]string{"1", "15550100002"} {
		t.Errorf("known: %v %v", pairs, err)
	}
}
