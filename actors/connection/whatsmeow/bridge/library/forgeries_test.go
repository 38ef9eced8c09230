// Tests the refusal of forged direct messages at a bounded effort.

package library

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/session"
	"go.mau.fi/libsignal/signalerror"
	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/libsignal/util/optional"
	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
	waLog "go.mau.fi/whatsmeow/util/log"

	"teimoso-whatsmeow/records"
	"teimoso-whatsmeow/vault"
)

var background = context.Background()

func must[Value any](value Value, err error) Value {
	if err != nil {
		panic(err)
	}
	return value
}

// device returns a device with a database of its own, and what opens it once more.
func device(t testing.TB, user string) (*store.Device, func() *store.Device) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "whatsmeow.db")
	opened := must(vault.Open(background, file, 1, waLog.Noop, func(err error) { t.Error(err) }))
	t.Cleanup(func() { _ = opened.Close() })
	open := func() *store.Device { return must(opened.Device(background, func([]store.LIDMapping) {})) }
	one := open()
	jid := types.NewADJID(user, types.WhatsAppDomain, 1)
	one.ID, one.LID = &jid, types.NewADJID("9"+user, types.LIDDomain, 1)
	one.Account = &waAdv.ADVSignedDeviceIdentity{
		Details: []byte{1}, AccountSignature: make([]byte, 64), AccountSignatureKey: make([]byte, 32),
		DeviceSignature: make([]byte, 64),
	}
	if err := one.Save(background); err != nil {
		t.Fatal(err)
	}
	return one, open
}

// pair are a device and a peer that begins sessions with it; the peer's steps are in memory alone.
type pair struct {
	t      testing.TB
	device *store.Device
	peer   *store.Device
	memory context.Context
	// reading is that of the device.
	reading context.Context
	budgets *budgets
	// again returns the device as it is on disk, with nothing of it in memory.
	again func() *store.Device
}

func paired(t testing.TB) *pair {
	one, again := device(t, "15550100001")
	return met(t, one, again, "15550100002")
}

func met(t testing.TB, one *store.Device, again func() *store.Device, user string) *pair {
	memory, _ := vault.Gather(background)
	peer, _ := device(t, user)
	return &pair{t, one, peer, memory, background, newBudgets(func() time.Time { return time.Time{} }), again}
}

func between(from, to *store.Device) *session.Cipher {
	address := to.ID.SignalAddress()
	return session.NewCipher(session.NewBuilderFromSignal(from, address, store.SignalProtobufSerializer), address)
}

// bundled has the peer begin a session; its next message is the first one.
func (p *pair) bundled() {
	p.t.Helper()
	one := must(p.device.PreKeys.GenOnePreKey(background))
	bundle := prekey.NewBundle(
		p.device.RegistrationID, 1, optional.NewOptionalUint32(one.KeyID), p.device.SignedPreKey.KeyID,
		public(one.Pub), public(p.device.SignedPreKey.Pub), *p.device.SignedPreKey.Signature,
		identity.NewKey(public(p.device.IdentityKey.Pub)),
	)
	builder := session.NewBuilderFromSignal(p.peer, p.device.ID.SignalAddress(), store.SignalProtobufSerializer)
	if err := builder.ProcessBundle(p.memory, bundle); err != nil {
		p.t.Fatal(err)
	}
}

// begin has the peer begin a session, which the device answers.
func (p *pair) begin() {
	p.t.Helper()
	p.bundled()
	content, first := p.said("first")
	p.read(content, first, nil)
	p.answer()
}

// answer has the device send a message, after which the peer's next one begins a chain.
func (p *pair) answer() {
	p.t.Helper()
	answer := must(between(p.device, p.peer).Encrypt(background, []byte("answer")))
	must(between(p.peer, p.device).Decrypt(p.memory, must(protocol.NewSignalMessageFromBytes(
		answer.Serialize(), store.SignalProtobufSerializer.SignalMessage,
	))))
}

func public(key *[32]byte) ecc.ECPublicKeyable { return ecc.NewDjbECPublicKey(*key) }

// said returns a message of the peer, and whether it begins a session.
func (p *pair) said(text string) ([]byte, bool) {
	p.t.Helper()
	message := must(between(p.peer, p.device).Encrypt(p.memory, []byte(text)))
	return message.Serialize(), message.Type() == protocol.PREKEY_TYPE
}

// read has the device read a message as DecryptDirect has it, without the buffer of plaintexts.
func (p *pair) read(content []byte, first bool, want error) {
	p.t.Helper()
	serializer, address := store.SignalProtobufSerializer, between(p.device, p.peer)
	ctx, err := p.client().refuseForgeries(p.reading, &waBinary.Node{Content: content}, *p.peer.ID, first)
	if err == nil {
		err = p.device.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) error {
			if first {
				envelope := must(protocol.NewPreKeySignalMessageFromBytes(content, serializer.PreKeySignalMessage, serializer.SignalMessage))
				_, err := address.DecryptMessage(ctx, envelope)
				return err
			}
			_, err := address.Decrypt(ctx, must(protocol.NewSignalMessageFromBytes(content, serializer.SignalMessage)))
			return err
		})
	}
	p.judge(err, want)
}

// judge fails the test unless an error is the one that is wanted.
func (p *pair) judge(err, want error) {
	p.t.Helper()
	if !errors.Is(err, want) || (want == nil && err != nil) {
		p.t.Fatalf("%v, not %v", err, want)
	}
}

// forged returns a message under a key of nobody's, or under `key`.
func (p *pair) forged(counter uint32, key ecc.ECPublicKeyable) []byte {
	p.t.Helper()
	return p.forgedOf(16, counter, key)
}

// forgedOf is forged for a ciphertext of this many bytes.
func (p *pair) forgedOf(size int, counter uint32, key ecc.ECPublicKeyable) []byte {
	p.t.Helper()
	if key == nil {
		key = public(keys.NewKeyPair().Pub)
	}
	theirs, ours := identity.NewKey(public(p.peer.IdentityKey.Pub)), identity.NewKey(public(p.device.IdentityKey.Pub))
	return must(protocol.NewSignalMessage(
		3, counter, 0, make([]byte, 32), key, make([]byte, size), theirs, ours, store.SignalProtobufSerializer.SignalMessage,
	)).Serialize()
}

// client has what the check needs.
func (p *pair) client() *Client {
	return &Client{Client: &whatsmeow.Client{Store: p.device}, budgets: p.budgets}
}

func (p *pair) session() *record.SessionStructure {
	p.t.Helper()
	encoded := must(p.device.Sessions.GetSession(background, p.peer.ID.SignalAddress().String()))
	return must(records.Sessions.Deserialize(encoded))
}

func TestHonestMessagesAreRead(t *testing.T) {
	two := paired(t)
	two.begin()
	in := func() { content, first := two.said("x"); two.read(content, first, nil) }
	in()
	late, _ := two.said("late")
	for range mostMissing - 1 {
		two.said("lost")
	}
	in()
	two.read(late, false, nil)
	two.read(late, false, signalerror.ErrOldCounter)
	old, _ := two.said("on the session before")
	two.begin()
	in()
	two.read(old, false, nil)
	for range 7 {
		two.begin()
	}
	in()
}

// WhatsApp's own client keeps the keys of two thousand messages that did not come yet.
func TestTwoThousandMessagesMayBeMissing(t *testing.T) {
	two := paired(t)
	two.begin()
	late, first := two.said("late")
	for range 1999 {
		two.said("missing")
	}
	content, _ := two.said("x")
	two.read(content, first, nil)
	two.read(late, first, nil)
	one := grouped(met(t, two.device, two.again, "15550100003"))
	lateInGroup := one.said().SignedSerialize()
	for range 1999 {
		one.said()
	}
	one.read(one.said().SignedSerialize(), nil)
	one.read(lateInGroup, nil)
}

func TestForgeriesAreRefusedBeforeTheLibraryTriesThem(t *testing.T) {
	two := paired(t)
	for range 3 {
		two.begin()
	}
	content, first := two.said("x")
	two.read(content, first, nil)
	state := two.session().SessionState
	known := must(ecc.DecodePoint(state.ReceiverChains[len(state.ReceiverChains)-1].SenderRatchetKeyPublic, 0))
	before := must(two.device.Sessions.GetSession(background, two.peer.ID.SignalAddress().String()))
	for _, forged := range [][]byte{
		two.forged(0, nil), two.forged(mostMissing, nil), two.forged(2000, nil), two.forged(1<<31, nil),
		two.forged(5, known), two.forged(2000, known),
	} {
		two.read(forged, false, ErrForged)
	}
	two.read(two.forged(0, known), false, signalerror.ErrOldCounter)
	after := must(two.device.Sessions.GetSession(background, two.peer.ID.SignalAddress().String()))
	if string(before) != string(after) {
		t.Error("a forgery changed the session")
	}
	content, first = two.said("y")
	two.read(content, first, nil)
}

// forgedFirst returns a message that would begin a session, under the device's keys, but for its MAC.
func (p *pair) forgedFirst(counter uint32, once *uint32) *protocol.PreKeySignalMessage {
	p.t.Helper()
	return p.forgedFirstOf(16, counter, once)
}

// forgedFirstOf is forgedFirst for a ciphertext of this many bytes.
func (p *pair) forgedFirstOf(size int, counter uint32, once *uint32) *protocol.PreKeySignalMessage {
	p.t.Helper()
	serializer, id := store.SignalProtobufSerializer, optional.NewEmptyUint32()
	if once != nil {
		id = optional.NewOptionalUint32(*once)
	}
	return must(protocol.NewPreKeySignalMessage(
		3, 1, id, p.device.SignedPreKey.KeyID, public(keys.NewKeyPair().Pub),
		identity.NewKey(public(p.peer.IdentityKey.Pub)),
		must(protocol.NewSignalMessageFromBytes(p.forgedOf(size, counter, nil), serializer.SignalMessage)),
		serializer.PreKeySignalMessage, serializer.SignalMessage,
	))
}

func TestForgedFirstMessagesAreRefusedWithAndWithoutASession(t *testing.T) {
	two := paired(t)
	once := must(two.device.PreKeys.GenOnePreKey(background))
	for range 2 {
		for _, counter := range []uint32{0, mostMissing, 2000} {
			two.read(two.forgedFirst(counter, nil).Serialize(), true, ErrForged)
			two.read(two.forgedFirst(counter, &once.KeyID).Serialize(), true, ErrForged)
		}
		two.begin()
	}
}

func TestAFirstMessageThatIsTooFarAheadIsRefused(t *testing.T) {
	two := paired(t)
	two.begin()
	two.bundled()
	for range mostMissing {
		two.said("lost")
	}
	last, first := two.said("the last that is read")
	beyond, _ := two.said("beyond")
	two.read(beyond, first, ErrForged)
	two.read(last, first, nil)
	two.read(beyond, first, nil) // on the session that is there now
}

func TestAMessageOnAFormerSessionIsTriedOnThatAlone(t *testing.T) {
	two := paired(t)
	var former [][]byte
	for range 42 {
		two.begin()
		content, first := two.said("on each session")
		two.read(content, first, nil)
		content, _ = two.said("later")
		former = append(former, content)
	}
	for _, content := range former[1:] { // the first one was forgotten
		two.read(content, false, nil)
	}
	seen := map[string]bool{}
	for _, state := range states(two.session()) {
		seen[string(state.SenderBaseKey)] = true
	}
	if len(seen) != 41 || len(states(two.session())) != 41 {
		t.Errorf("%d sessions, of %d different ones", len(states(two.session())), len(seen))
	}
	content, _ := two.said("on the session that was read last")
	two.read(content, false, nil)
}

func TestADeviceThatForgesForEverIsNotComputedFor(t *testing.T) {
	two := paired(t)
	for range 9 {
		two.begin()
	}
	in := func() { content, first := two.said("x"); two.read(content, first, nil) }
	in()
	for range burst / agreement {
		two.read(two.forged(0, nil), false, ErrForged)
	}
	if two.budgets.allowance(two.peer.ID.String()) != ordinary {
		t.Error("nothing of its budget is spent")
	}
	spent := two.budgets.all[two.peer.ID.String()]
	for range 100 {
		two.read(two.forged(0, nil), false, ErrForged)
	}
	if two.budgets.all[two.peer.ID.String()] != spent {
		t.Error("it is computed for without a budget")
	}
	in()
	for range 100 {
		two.said("lost")
	}
	in()
	two.begin()
	in()
	if two.budgets.allowance("another") != mostEffort {
		t.Error("another device has no budget")
	}
	two.budgets.now = func() time.Time { return time.Time{}.Add(10 * time.Second) }
	if two.budgets.allowance(two.peer.ID.String()) != mostEffort {
		t.Error("a budget gains nothing")
	}
}

func TestKeysOfAllSessionsHaveABound(t *testing.T) {
	two := paired(t)
	var early [][]byte
	for range 8 {
		two.begin()
		content, _ := two.said("early")
		early = append(early, content)
		for range 300 {
			two.said("lost")
		}
		content, first := two.said("x")
		two.read(content, first, nil)
	}
	all, kept := two.session(), 0
	for _, state := range append(all.PreviousStates, all.SessionState) {
		for _, known := range state.ReceiverChains {
			kept += len(known.MessageKeys)
		}
	}
	if kept != records.MostKept {
		t.Errorf("%d keys are kept", kept)
	}
	two.read(early[7], false, nil)
	two.read(early[0], false, signalerror.ErrOldCounter) // the keys of the first sessions went
}
