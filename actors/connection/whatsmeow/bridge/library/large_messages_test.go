// Tests that a large forged message is refused before the library copies and hashes it, and that an honest one is read.

package library

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.mau.fi/libsignal/signalerror"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/store"
	waLog "go.mau.fi/whatsmeow/util/log"
)

// hashed counts the messages for which the library looks by their hash.
type hashed struct {
	store.EventBuffer
	count int
}

func (one *hashed) GetBufferedEvent(ctx context.Context, hash [32]byte) (*store.BufferedEvent, error) {
	one.count++
	return one.EventBuffer.GetBufferedEvent(ctx, hash)
}

func TestALargeForgedMessageIsRefusedBeforeTheLibraryCopiesIt(t *testing.T) {
	two := paired(t)
	two.begin()
	seen := &hashed{EventBuffer: two.device.EventBuffer}
	two.device.EventBuffer = seen
	client := New(two.device, waLog.Noop, Taps{}, &http.Transport{}, &http.Transport{})
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
	for content, read := range map[string]func(*waBinary.Node) error{
		string(two.forgedFirstOf(large, 0, nil).Serialize()): func(part *waBinary.Node) error {
			_, _, err := client.DecryptDirect(background, part, *two.peer.ID, true, time.Unix(1, 0))
			return err
		},
		string(one.signed(0, make([]byte, large), own)): func(part *waBinary.Node) error {
			_, _, err := client.DecryptGroup(background, part, *two.peer.ID, someGroup, time.Unix(1, 0))
			return err
		},
	} {
		part := &waBinary.Node{Tag: "enc", Attrs: waBinary.Attrs{"v": "2"}, Content: []byte(content)}
		if err := read(part); !errors.Is(err, ErrForged) {
			t.Fatalf("%v", err)
		}
	}
	if seen.count != 0 {
		t.Error("the library hashed a large forged message")
	}
	for range 200 {
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
