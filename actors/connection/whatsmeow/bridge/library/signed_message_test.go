// Tests that a message is decoded and authenticated where its bytes lie, and is otherwise what the library has it be.

package library

import (
	"errors"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/whatsmeow/store"
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

func TestAForgedMegabyteIsNotCopied(t *testing.T) {
	two := paired(t)
	two.begin()
	forged := two.forgedOf(1<<20, 0, nil)
	two.read(two.forged(0, nil), false, ErrForged)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	two.read(forged, false, ErrForged)
	runtime.ReadMemStats(&after)
	if copied := after.TotalAlloc - before.TotalAlloc; copied > 1<<18 {
		t.Errorf("%d bytes for a message of 1 MB", copied)
	}
}
