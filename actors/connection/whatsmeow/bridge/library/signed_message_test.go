// Tests that a message is decoded and authenticated where its bytes lie, and is otherwise what the library has it be.

package library

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/signalerror"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/encoding/protowire"
)

func TestAMessageIsDecodedAsTheLibraryDoes(t *testing.T) {
	two := paired(t)
	two.begin()
	for range 200 {
		content, _ := two.said("x")
		decoded := must(signedMessageOf(content))
		theirs := must(protocol.NewSignalMessageFromBytes(content, store.SignalProtobufSerializer.SignalMessage))
		if !reflect.DeepEqual(decoded.Structure(), theirs.Structure()) {
			t.Fatalf("%v, not %v", decoded.Structure(), theirs.Structure())
		}
	}
}

func TestAMessageOfAnotherEncodingIsRefused(t *testing.T) {
	two := paired(t)
	two.begin()
	content, _ := two.said("x")
	end := len(content) - protocol.MacLength
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 9, protowire.VarintType), 1)
	last := protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), uint64(must(signedMessageOf(content)).Counter()))
	for name, each := range map[string][]byte{
		"another version":  append([]byte{'3' | 1<<3}, content[1:]...),
		"an unknown field": slices.Concat(content[:end], unknown, content[end:]),
		"a field twice":    slices.Concat(content[:end], last, content[end:]),
		"many fields":      slices.Concat(content[:end], bytes.Repeat(unknown, mostFields), content[end:]),
		"an overlong size": slices.Concat(content[:1], []byte{content[1], content[2] | 0x80, 0}, content[3:]),
	} {
		if _, err := protocol.NewSignalMessageFromBytes(each, store.SignalProtobufSerializer.SignalMessage); err != nil {
			t.Errorf("%s: the library does not decode it: %v", name, err)
		}
		if _, err := signedMessageOf(each); !errors.Is(err, ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
		two.read(each, false, ErrForged)
	}
	for size := range end {
		if _, err := signedMessageOf(content[:size]); err == nil {
			t.Errorf("the first %d bytes are a message", size)
		}
	}
	two.read(content, false, nil)
}

func TestAMessageThatBeginsASessionIsDecodedAsTheLibraryDoes(t *testing.T) {
	two := paired(t)
	two.bundled()
	content, _ := two.said("x")
	serializer := store.SignalProtobufSerializer.PreKeySignalMessage
	unknown := protowire.AppendBytes(protowire.AppendTag(nil, 9, protowire.BytesType), make([]byte, 100))
	again := protowire.AppendBytes(protowire.AppendTag(nil, 4, protowire.BytesType), []byte("the last one counts"))
	for _, each := range [][]byte{content, slices.Concat(content, unknown), slices.Concat(content, again), content[:70]} {
		decoded, err := envelopeOf(each)
		theirs, refusal := serializer.Deserialize(each)
		if !reflect.DeepEqual(decoded, theirs) || (err == nil) != (refusal == nil) {
			t.Fatalf("%v %v, not %v %v", decoded, err, theirs, refusal)
		}
	}
	many := slices.Concat(content, bytes.Repeat([]byte{9 << 3, 0}, mostFields))
	for _, refused := range [][]byte{nil, content[:1], many} {
		if _, err := envelopeOf(refused); !errors.Is(err, ErrForged) {
			t.Errorf("%d bytes are a message", len(refused))
		}
	}
}

func TestAForgedMegabyteIsNotCopied(t *testing.T) {
	two := paired(t)
	two.begin()
	one := grouped(two)
	another := must(ecc.GenerateKeyPair()).PrivateKey()
	_, own := one.key()
	for name, each := range map[string]struct {
		forged []byte
		read   func([]byte)
	}{
		"direct":          {two.forgedOf(1<<20, 0, nil), func(content []byte) { two.read(content, false, ErrForged) }},
		"first":           {two.forgedFirstOf(1<<20, 0, nil).Serialize(), func(content []byte) { two.read(content, true, ErrForged) }},
		"group":           {one.signed(0, make([]byte, 1<<20), another), func(content []byte) { one.refused(content, ErrForged) }},
		"group, unpadded": {one.signed(0, make([]byte, 1<<20), own), func(content []byte) { one.refused(content, ErrForged) }},
	} {
		two.read(two.forged(0, nil), false, ErrForged)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		each.read(each.forged)
		runtime.ReadMemStats(&after)
		if copied := after.TotalAlloc - before.TotalAlloc; copied > 1<<18 {
			t.Errorf("%s: %d bytes for a message of 1 MB", name, copied)
		}
	}
}

// tiny returns so many bytes of fields that nobody knows, of two bytes each: a message for no session.
func tiny(size int) []byte {
	return append([]byte{'3'}, bytes.Repeat([]byte{9 << 3, 0}, size/2)...)
}

// hashed counts the messages for which the library looks by their hash.
type hashed struct {
	store.EventBuffer
	count int
}

func (h *hashed) GetBufferedEvent(ctx context.Context, hash [32]byte) (*store.BufferedEvent, error) {
	h.count++
	return h.EventBuffer.GetBufferedEvent(ctx, hash)
}

func TestALargeForgedMessageIsRefusedBeforeTheLibraryCopiesIt(t *testing.T) {
	two := paired(t)
	two.begin()
	seen := &hashed{EventBuffer: two.device.EventBuffer}
	two.device.EventBuffer = seen
	client := New(two.device, waLog.Noop, Taps{}, Network{})
	client.budgets = two.budgets
	decrypt := func(content []byte) ([]byte, error) {
		part := &waBinary.Node{Tag: "enc", Attrs: waBinary.Attrs{"v": "2"}, Content: content}
		plain, _, err := client.DecryptDirect(background, part, *two.peer.ID, false, time.Unix(1, 0))
		return plain, err
	}
	if _, err := decrypt(two.forgedOf(large, 0, nil)); !errors.Is(err, ErrForged) {
		t.Fatalf("%v", err)
	}
	one := grouped(two)
	_, own := one.key()
	first := func(part *waBinary.Node) error {
		_, _, err := client.DecryptDirect(background, part, *two.peer.ID, true, time.Unix(1, 0))
		return err
	}
	group := func(part *waBinary.Node) error {
		_, _, err := client.DecryptGroup(background, part, *two.peer.ID, someGroup, time.Unix(1, 0))
		return err
	}
	for _, each := range []struct {
		content []byte
		read    func(*waBinary.Node) error
	}{
		{two.forgedFirstOf(large, 0, nil).Serialize(), first},
		{one.signed(0, make([]byte, large), own), group},
		{tiny(large - 1), first},
		{tiny(large - 1), group},
	} {
		part := &waBinary.Node{Tag: "enc", Attrs: waBinary.Attrs{"v": "2"}, Content: each.content}
		if err := each.read(part); !errors.Is(err, ErrForged) {
			t.Fatalf("%v", err)
		}
	}
	if _, err := decrypt(tiny(large - 1)); !errors.Is(err, ErrForged) {
		t.Fatalf("%v", err)
	}
	if seen.count != 0 {
		t.Error("the library hashed a large forged message")
	}
	huge, _ := two.said(strings.Repeat("x", largest) + "\x01")
	if _, err := decrypt(huge); !errors.Is(err, ErrForged) || seen.count != 0 {
		t.Fatalf("a message that is larger than any is authenticated: %v", err)
	}
	for _, own := range []types.JID{*two.device.ID, two.device.LID} {
		if _, err := client.early(background, &waBinary.Node{Content: huge}, own); err != nil {
			t.Errorf("a message of the account's own is refused by its size: %v", err)
		}
	}
	for range 199 {
		two.said("lost")
	}
	text := strings.Repeat("x", large)
	content, _ := two.said(text + "\x01")
	if plain, err := decrypt(content); err != nil || string(plain) != text {
		t.Fatalf("%d bytes, %v", len(plain), err)
	}
	if spent := burst - two.budgets.all[two.peer.ID.String()].left; spent != agreement+200 {
		t.Errorf("it was not checked once: %v steps", spent)
	}
	if plain, err := decrypt(content); err != nil || string(plain) != text {
		t.Fatalf("what came before is not found again: %d bytes, %v", len(plain), err)
	}
	old := bytes.Clone(content)
	old[len(old)-1] ^= 1
	if _, err := decrypt(old); !errors.Is(err, signalerror.ErrOldCounter) {
		t.Fatalf("%v", err)
	}
}
