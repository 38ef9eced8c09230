// Tests that a group message is decoded and its signature checked where its bytes lie, and is otherwise what the library has it be.

package library

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/whatsmeow/store"
	"google.golang.org/protobuf/encoding/protowire"
)

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
