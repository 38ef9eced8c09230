// Loads the device's keys from the key database; sets aside those of an unlinked one, and deletes them at a logout alone.

package vault

import (
	"context"
	"errors"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
)

// ErrKept answers the library's attempts to delete a device.
var ErrKept = errors.New("devices are set aside, never deleted")

// keeper is the container that the library sees: it stores devices, and sets aside what is to be deleted.
type keeper struct {
	vault  *Vault
	learnt func([]store.LIDMapping)
}

var _ store.DeviceContainer = (*keeper)(nil)

// PutDevice stores a device. A device that is stored for the first time gets the library's stores by that, and the
// vault's in front of them; later the stores stay as they are, since others read them at the same time.
func (k *keeper) PutDevice(ctx context.Context, device *store.Device) error {
	first := !device.Initialized
	err := k.vault.Container.PutDevice(ctx, device)
	if first {
		k.attend(device)
	}
	return err
}

// DeleteDevice sets the device aside and returns ErrKept, so that the library goes on with its stores.
func (k *keeper) DeleteDevice(ctx context.Context, device *store.Device) error {
	return errors.Join(ErrKept, k.vault.SetAside(ctx, device.GetJID(), "deleted by the library"))
}

func (k *keeper) attend(device *store.Device) {
	device.Container = k
	if device.PreKeys != nil {
		device.PreKeys = &preKeys{device.PreKeys, device.EventBuffer, k.vault}
	}
	if _, attended := device.Identities.(*identities); device.Identities != nil && !attended {
		device.Identities = &identities{
			IdentityStore: device.Identities, db: k.vault.wrapped, own: device.GetJID().String(),
		}
	}
	if _, attended := device.Sessions.(*sessions); device.Sessions != nil && !attended {
		device.Sessions = &sessions{SessionStore: device.Sessions, device: device, ratchet: &k.vault.Ratchet}
		device.SenderKeys = &senderKeys{device.SenderKeys}
		device.EventBuffer = &plaintexts{device.EventBuffer}
	}
	if device.LIDs != nil {
		device.LIDs = &mappings{CachedLIDMap: k.vault.Container.LIDMap, learnt: k.learnt}
	}
}

// Device returns the device that is in use, a new one without an address where there is none.
//
// `learnt` is called with each pair of LID and phone number after it was stored first.
func (v *Vault) Device(ctx context.Context, learnt func([]store.LIDMapping)) (*store.Device, error) {
	keep := &keeper{vault: v, learnt: learnt}
	devices, err := v.Container.GetAllDevices(ctx)
	if err != nil {
		return nil, err
	}
	for _, device := range devices {
		aside, err := v.isAside(ctx, device.GetJID())
		if err != nil {
			return nil, err
		}
		if !aside {
			keep.attend(device)
			return device, nil
		}
	}
	device := v.Container.NewDevice()
	keep.attend(device)
	return device, nil
}

func (v *Vault) isAside(ctx context.Context, jid types.JID) (found bool, err error) {
	err = v.db.QueryRowContext(ctx,
		"SELECT EXISTS (SELECT 1 FROM teimoso_set_aside WHERE jid = ?)", jid.String()).Scan(&found)
	return found, classify(err)
}

// SetAside has Device return another one from now on; the keys stay in the database.
func (v *Vault) SetAside(ctx context.Context, jid types.JID, reason string) error {
	_, err := v.db.ExecContext(ctx,
		"INSERT OR IGNORE INTO teimoso_set_aside (jid, reason, at) VALUES (?, ?, ?)",
		jid.String(), reason, time.Now().Unix())
	return classify(err)
}

// Forget deletes a device and all that belongs to it, as the account's owner asked.
func (v *Vault) Forget(ctx context.Context, jid types.JID) error {
	for _, statement := range []string{
		"DELETE FROM whatsmeow_device WHERE jid = ?", // the rest follows by its foreign keys
		"DELETE FROM whatsmeow_privacy_tokens WHERE our_jid = ?",
		"DELETE FROM teimoso_set_aside WHERE jid = ?",
	} {
		if _, err := v.db.ExecContext(ctx, statement, jid.String()); err != nil {
			return classify(err)
		}
	}
	return nil
}

// mappings hands on pairs of LID and phone number that were not known before.
type mappings struct {
	*sqlstore.CachedLIDMap
	learnt func([]store.LIDMapping)
}

// PutLIDMapping stores a pair.
func (m *mappings) PutLIDMapping(ctx context.Context, lid, pn types.JID) error {
	return m.put(ctx, []store.LIDMapping{{LID: lid, PN: pn}}, func() error {
		return m.CachedLIDMap.PutLIDMapping(ctx, lid, pn)
	})
}

// PutManyLIDMappings stores pairs.
func (m *mappings) PutManyLIDMappings(ctx context.Context, pairs []store.LIDMapping) error {
	kept := append([]store.LIDMapping(nil), pairs...) // the library's method reorders its argument
	return m.put(ctx, kept, func() error {
		return m.CachedLIDMap.PutManyLIDMappings(ctx, pairs)
	})
}

func (m *mappings) put(ctx context.Context, pairs []store.LIDMapping, store func() error) error {
	news := pairs[:0]
	for _, pair := range pairs {
		if pair.LID.Server != types.HiddenUserServer || pair.PN.Server != types.DefaultUserServer {
			continue
		}
		if before, err := m.GetLIDForPN(ctx, pair.PN.ToNonAD()); err != nil || before.User != pair.LID.User {
			news = append(news, pair)
		}
	}
	err := store()
	if err == nil && len(news) > 0 {
		m.learnt(news)
	}
	return err
}

// preKeys makes prekeys in one transaction: the library stores each by itself, which waits for the disk 812 times
// at the first login.
type preKeys struct {
	store.PreKeyStore
	transactions store.EventBuffer
	vault        *Vault
}

// UploadedPreKeyCount returns how many prekeys the server was given, none where fresh ones are wanted: the library uploads some then.
func (p *preKeys) UploadedPreKeyCount(ctx context.Context) (int, error) {
	wanted, err := p.vault.wantsFreshPreKeys(ctx)
	if err != nil || wanted {
		return 0, err
	}
	return p.PreKeyStore.UploadedPreKeyCount(ctx)
}

// MarkPreKeysAsUploaded notes that the server has prekeys up to an id, and that fresh ones are wanted no more.
func (p *preKeys) MarkPreKeysAsUploaded(ctx context.Context, last uint32) error {
	if err := p.PreKeyStore.MarkPreKeysAsUploaded(ctx, last); err != nil {
		return err
	}
	return p.vault.freshPreKeysUploaded(ctx)
}

// GetOrGenPreKeys returns prekeys that were not uploaded yet, new ones where there are too few.
func (p *preKeys) GetOrGenPreKeys(ctx context.Context, count uint32) (found []*keys.PreKey, err error) {
	err = p.transactions.DoDecryptionTxn(ctx, func(ctx context.Context) (err error) {
		found, err = p.PreKeyStore.GetOrGenPreKeys(ctx, count)
		return err
	})
	return found, err
}

// RemovePreKey removes a prekey that was used up, in the transaction of the message that used it.
func (p *preKeys) RemovePreKey(ctx context.Context, id uint32) error {
	if gathered(ctx) != nil {
		return errAlone
	}
	return p.PreKeyStore.RemovePreKey(ctx, id)
}
