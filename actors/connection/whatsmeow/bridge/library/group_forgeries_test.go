// Tests the refusal of forged group messages at a bounded effort.

package library

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/groups"
	group "go.mau.fi/libsignal/groups/state/record"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/signalerror"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/encoding/protowire"

	"teimoso-whatsmeow/records"
	"teimoso-whatsmeow/vault"
)

var someGroup = types.NewJID("120363000000000001", types.GroupServer)

// member is a peer in a group.
type member struct {
	*pair
	name *protocol.SenderKeyName
	from *groups.SessionBuilder
	to   *groups.SessionBuilder
	text string
}

func grouped(two *pair) *member {
	serializer := store.SignalProtobufSerializer
	one := &member{
		two, protocol.NewSenderKeyName(someGroup.String(), two.peer.ID.SignalAddress()),
		groups.NewGroupSessionBuilder(two.peer, serializer), groups.NewGroupSessionBuilder(two.device, serializer),
		"x",
	}
	one.hand()
	return one
}

// hand has the peer make a sender key, which the device gets.
func (m *member) hand() {
	m.t.Helper()
	none := group.NewSenderKey(records.SenderKeys, store.SignalProtobufSerializer.SenderKeyState)
	err := m.peer.StoreSenderKey(m.memory, m.name, none)
	if err == nil {
		err = m.to.Process(background, m.name, must(m.from.Create(m.memory, m.name)))
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// said returns a message of the peer.
func (m *member) said() *protocol.SenderKeyMessage {
	m.t.Helper()
	sealed := must(groups.NewGroupCipher(m.from, m.name, m.peer).Encrypt(m.memory, []byte(m.text)))
	return sealed.(*protocol.SenderKeyMessage)
}

// key returns the peer's chain, and its private key for signatures.
func (m *member) key() (*group.SenderKeyState, ecc.ECPrivateKeyable) {
	m.t.Helper()
	state := must(must(m.peer.LoadSenderKey(m.memory, m.name)).SenderKeyState())
	return state, state.SigningKey().PrivateKey()
}

// signed returns a message of the peer, so far ahead, with this ciphertext.
func (m *member) signed(ahead uint32, content []byte, signer ecc.ECPrivateKeyable) []byte {
	m.t.Helper()
	state, _ := m.key()
	return protocol.NewSenderKeyMessage(
		state.KeyID(), state.SenderChainKey().Iteration()+ahead, content, signer,
		store.SignalProtobufSerializer.SenderKeyMessage,
	).SignedSerialize()
}

// unpadded returns a message that the peer signed, so far ahead, and whose plaintext has no padding. Almost any ciphertext that
// is made up is of this kind.
func (m *member) unpadded(ahead uint32) []byte {
	m.t.Helper()
	return m.sealed(ahead, make([]byte, 48))
}

// sealed returns a message that the peer signed, so far ahead, with whole blocks as its plaintext, padding included.
func (m *member) sealed(ahead uint32, plain []byte) []byte {
	m.t.Helper()
	state, signer := m.key()
	chain := state.SenderChainKey()
	for range ahead {
		chain = chain.Next()
	}
	key := must(chain.SenderMessageKey())
	content := make([]byte, len(plain))
	cipher.NewCBCEncrypter(must(aes.NewCipher(key.CipherKey())), key.Iv()).CryptBlocks(content, plain)
	return m.signed(ahead, content, signer)
}

// read has the device read a message as DecryptGroup has it, without the buffer of plaintexts.
func (m *member) read(content []byte, want error) {
	m.t.Helper()
	message := must(protocol.NewSenderKeyMessageFromBytes(content, store.SignalProtobufSerializer.SenderKeyMessage))
	ctx, err := m.client().refuseGroupForgeries(background, &waBinary.Node{Content: content}, *m.peer.ID, someGroup)
	if err == nil {
		err = m.device.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) error {
			_, err := groups.NewGroupCipher(m.to, m.name, m.device).Decrypt(ctx, message)
			return err
		})
	}
	m.judge(err, want)
}

// refused has the device refuse a message before the library is asked.
func (m *member) refused(content []byte, want error) {
	m.t.Helper()
	ctx, err := m.client().refuseGroupForgeries(background, &waBinary.Node{Content: content}, *m.peer.ID, someGroup)
	if err == nil {
		_, err = vault.Checked(ctx)
	}
	m.judge(err, want)
}

func (m *member) stored() []byte {
	m.t.Helper()
	return must(m.device.SenderKeys.GetSenderKey(background, someGroup.String(), m.name.Sender().String()))
}

func TestAGroupsMessagesAreReadWhereNotTooManyAreMissing(t *testing.T) {
	one := grouped(paired(t))
	early := one.said().SignedSerialize()
	for range mostMissing - 1 {
		one.said()
	}
	last, beyond := one.said().SignedSerialize(), one.said().SignedSerialize()
	one.read(beyond, ErrForged)
	one.read(last, nil)
	one.read(beyond, nil)
	one.read(early, nil)
	one.read(early, signalerror.ErrOldCounter)
	former := one.said().SignedSerialize()
	one.hand()
	one.read(one.said().SignedSerialize(), nil)
	one.read(former, nil)
}

func TestForgeriesOfAGroupAreRefusedBeforeTheLibraryTriesThem(t *testing.T) {
	one := grouped(paired(t))
	one.read(one.said().SignedSerialize(), nil)
	before := one.stored()
	_, own := one.key()
	said := one.said()
	another := protocol.NewSenderKeyMessage(
		said.KeyID(), said.Iteration(), said.Ciphertext(), must(ecc.GenerateKeyPair()).PrivateKey(),
		store.SignalProtobufSerializer.SenderKeyMessage,
	)
	for _, forged := range [][]byte{
		one.unpadded(0), one.unpadded(mostMissing), one.signed(0, make([]byte, 17), own),
		one.signed(1<<31, make([]byte, 48), own), another.SignedSerialize(),
	} {
		one.read(forged, ErrForged)
	}
	if string(before) != string(one.stored()) {
		t.Error("a forgery changed the sender key")
	}
	one.read(one.said().SignedSerialize(), nil)
}

func TestAMemberThatForgesForEverIsNotComputedFor(t *testing.T) {
	one := grouped(paired(t))
	forged := one.unpadded(mostMissing)
	sender := one.peer.ID.String()
	for range burst / mostMissing {
		one.read(forged, ErrForged)
	}
	if one.budgets.allowance(sender) != ordinary {
		t.Error("nothing of its budget is spent")
	}
	spent := one.budgets.all[sender]
	one.read(forged, ErrForged)
	if one.budgets.all[sender] != spent {
		t.Error("it is computed for without a budget")
	}
	one.read(one.said().SignedSerialize(), nil)
}

func TestKeysOfAMemberHaveABound(t *testing.T) {
	one := grouped(paired(t))
	var early []byte
	for range 3 {
		one.hand()
		early = one.said().SignedSerialize()
		one.budgets.all = map[string]budget{}
		for range 3 {
			for range 300 {
				one.said()
			}
			one.read(one.said().SignedSerialize(), nil)
		}
	}
	all, kept := must(records.SenderKeys.Deserialize(one.stored())), 0
	for _, state := range all.SenderKeyStates {
		kept += len(state.Keys)
	}
	if kept != records.MostKept {
		t.Errorf("%d keys are kept", kept)
	}
	one.read(early, nil)
}

func TestAGroupMessageIsDecodedAsTheLibraryDoes(t *testing.T) {
	one := grouped(paired(t))
	for range 200 {
		content := one.said().SignedSerialize()
		decoded := must(signedGroupMessageOf(content))
		theirs := must(protocol.NewSenderKeyMessageFromBytes(content, store.SignalProtobufSerializer.SenderKeyMessage))
		if string(decoded.SignedSerialize()) != string(theirs.SignedSerialize()) || string(decoded.signed) != string(theirs.Serialize()) {
			t.Fatalf("%v, not %v", decoded, theirs)
		}
	}
}

func TestAGroupMessageOfAnotherEncodingIsRefused(t *testing.T) {
	one := grouped(paired(t))
	content := one.said().SignedSerialize()
	end := len(content) - 64
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 9, protowire.VarintType), 1)
	last := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(must(signedGroupMessageOf(content)).KeyID()))
	for name, each := range map[string][]byte{
		"another version":  append([]byte{'3' | 1<<3}, content[1:]...),
		"an unknown field": slices.Concat(content[:end], unknown, content[end:]),
		"a field twice":    slices.Concat(content[:end], last, content[end:]),
	} {
		if _, err := protocol.NewSenderKeyMessageFromBytes(each, store.SignalProtobufSerializer.SenderKeyMessage); err != nil {
			t.Errorf("%s: the library does not decode it: %v", name, err)
		}
		one.read(each, ErrForged)
		_, own := one.key()
		each = each[:len(each)-64] // signed as it is
		signature := ecc.CalculateSignature(own, each)
		one.refused(append(each, signature[:]...), ErrForged)
	}
	for size := range end {
		if _, err := signedGroupMessageOf(content[:size]); err == nil {
			t.Errorf("the first %d bytes are a message", size)
		}
	}
	one.read(content, nil)
}

func TestASignatureIsCheckedAsTheLibraryDoes(t *testing.T) {
	valid := 0
	for range 200 {
		pair := must(ecc.GenerateKeyPair())
		message := &signedGroupMessage{signed: []byte("words")}
		signature := ecc.CalculateSignature(pair.PrivateKey(), message.signed)
		if rand.IntN(2) == 0 {
			signature[rand.IntN(len(signature))] ^= 1 << rand.IntN(8)
		}
		message.SenderKeyMessage = must(protocol.NewSenderKeyMessageFromStruct(
			&protocol.SenderKeyMessageStructure{Version: 3, CipherText: []byte{}, Signature: signature[:]},
			store.SignalProtobufSerializer.SenderKeyMessage,
		))
		theirs := ecc.VerifySignature(pair.PublicKey(), message.signed, signature)
		err := message.verify(pair.PublicKey().PublicKey())
		if (err == nil) != theirs || err != nil && !errors.Is(err, ErrForged) {
			t.Fatalf("%v, the library says %v", err, theirs)
		}
		if theirs {
			valid++
		}
	}
	if valid == 0 || valid == 200 {
		t.Fatalf("%d are valid", valid)
	}
}

func TestTheLastBlockTellsThePadding(t *testing.T) {
	one := grouped(paired(t))
	for _, text := range []string{"", "x", "of fifteen byte", "of sixteen bytes", "of more than one block of sixteen bytes"} {
		one.text = text
		one.read(one.said().SignedSerialize(), nil)
	}
	for padding, want := range map[string]error{"\x02\x02": nil, "\x03\x02": ErrForged, "x\x00": ErrForged, "x\x11": ErrForged} {
		one.refused(one.sealed(0, []byte("a text of some fourteen letters"[:14]+padding)), want)
	}
	_, own := one.key()
	for _, size := range []int{0, 1, 15, 17, 31} {
		one.read(one.signed(0, make([]byte, size), own), ErrForged)
	}
}
