// Measures the processor time that forged messages take.

package library

import (
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/signalerror"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/store"
	waLog "go.mau.fi/whatsmeow/util/log"

	"teimoso-whatsmeow/logging"
	"teimoso-whatsmeow/records"
	"teimoso-whatsmeow/vault"
)

// most is how large a ciphertext is in a message that is not refused by its size, in bytes of whole blocks.
const most = 512<<10 + 512

// worst is the worst state that a peer can build up: 41 sessions, each answered, with five chains each, and as many keys as are
// kept; in a group five sender keys, and as many keys.
func worst(b *testing.B) (*pair, *member) {
	two := paired(b)
	read := func() { content, first := two.said("x"); two.read(content, first, nil) }
	for range 41 {
		two.begin()
		for range 4 {
			read()
			two.answer()
		}
		for range 300 {
			two.said("lost")
		}
		read()
		clear(two.budgets.all)
	}
	one := grouped(two)
	for range 5 {
		one.hand()
		for range 2 {
			for range mostMissing {
				one.said()
			}
			one.read(one.said().SignedSerialize(), nil)
		}
		clear(one.budgets.all)
	}
	state := two.session()
	kept, chains := 0, 0
	for _, each := range states(state) {
		for _, known := range each.ReceiverChains {
			kept += len(known.MessageKeys)
			chains++
		}
	}
	if kept != records.MostKept || chains != 5*41 {
		b.Fatalf("%d keys, %d chains", kept, chains)
	}
	encoded := must(two.device.Sessions.GetSession(background, two.peer.ID.SignalAddress().String()))
	b.Logf("%d bytes of sessions, %d of sender keys", len(encoded), len(one.stored()))
	return two, one
}

// measured reports the processor time of the process, the median in milliseconds, of what is done with each of these messages.
func measured(b *testing.B, messages func() []byte, do func(*Client, []byte), client func() *Client) {
	b.Helper()
	spent, made := make([]time.Duration, b.N), make([][]byte, b.N)
	for index := range made {
		made[index] = messages()
	}
	runtime.GC()
	for index, message := range made {
		one := client()
		before := processor()
		do(one, message)
		spent[index] = processor() - before
	}
	slices.Sort(spent)
	b.ReportMetric(float64(spent[b.N/2])/float64(time.Millisecond), "processor-ms/op")
}

func processor() time.Duration {
	var spent syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &spent); err != nil {
		panic(err)
	}
	return time.Duration(spent.Utime.Nano() + spent.Stime.Nano())
}

// BenchmarkForgeries is the processor time that a forged message takes at the worst state that a peer can build up, without its
// answer, and that of a message in order. The state of the peer is not in memory, but where the name says so.
func BenchmarkForgeries(b *testing.B) {
	logging.New(io.Discard).TakeSignal()
	two, one := worst(b)
	warm := New(two.device, waLog.Noop, Taps{}, Network{})
	cold := func() *Client {
		records.Sessions.Keep(make([]byte, 1<<20), nil) // in the place of a large one
		return New(two.again(), waLog.Noop, Taps{}, Network{})
	}
	newest := two.session().SessionState.ReceiverChains[4]
	known, counter := must(ecc.DecodePoint(newest.SenderRatchetKeyPublic, 0)), newest.ChainKey.Index
	part := func(content []byte) *waBinary.Node {
		return &waBinary.Node{Tag: "enc", Attrs: waBinary.Attrs{"v": "2"}, Content: content}
	}
	refused := func(_ []byte, _ *[32]byte, err error) {
		if !errors.Is(err, ErrForged) {
			b.Fatalf("%v", err)
		}
	}
	direct := func(client *Client, content []byte) {
		refused(client.DecryptDirect(background, part(content), *two.peer.ID, false, time.Unix(1, 0)))
	}
	first := func(client *Client, content []byte) {
		refused(client.DecryptDirect(background, part(content), *two.peer.ID, true, time.Unix(1, 0)))
	}
	ofGroup := func(client *Client, content []byte) {
		refused(client.DecryptGroup(background, part(content), *two.peer.ID, someGroup, time.Unix(1, 0)))
	}
	once := must(two.device.PreKeys.GenOnePreKey(background))
	another := must(ecc.GenerateKeyPair()).PrivateKey()
	for _, each := range []struct {
		name   string
		forged func() []byte
		do     func(*Client, []byte)
	}{
		{"under a new key", func() []byte { return two.forged(0, nil) }, direct},
		{"late in a new chain", func() []byte { return two.forged(mostMissing, nil) }, direct},
		{"late in the newest chain", func() []byte { return two.forged(counter+mostMissing, known) }, direct},
		{"under a key that was kept", func() []byte { return two.forged(counter-2, known) }, direct},
		{"too late", func() []byte { return two.forged(2000, nil) }, direct},
		{"of 64 kB", func() []byte { return two.forgedOf(1<<16, 0, nil) }, direct},
		{"a first one", func() []byte { return two.forgedFirst(mostMissing, &once.KeyID).Serialize() }, first},
		{"the largest", func() []byte { return two.forgedOf(most, 0, nil) }, direct},
		{"the largest, late in a new chain", func() []byte { return two.forgedOf(most, mostMissing, nil) }, direct},
		{"the largest, a first one", func() []byte { return two.forgedFirstOf(most, mostMissing, &once.KeyID).Serialize() }, first},
		{"the largest, of tiny fields", func() []byte { return tiny(largest) }, direct},
		{"the largest, a first one of tiny fields", func() []byte { return tiny(largest) }, first},
		{"the largest, one pass of SHA 256", func() []byte { return two.forgedOf(most, 0, nil) }, func(_ *Client, content []byte) {
			sha256.Sum256(content)
		}},
		{"the largest of a group, by another", func() []byte { return one.signed(mostMissing, make([]byte, most), another) }, ofGroup},
		{"the largest of a group, by its member", func() []byte { return one.sealed(mostMissing, make([]byte, most)) }, ofGroup},
		{"the largest of a group, of tiny fields", func() []byte { return tiny(largest) }, ofGroup},
		{"the largest of a group, one pass of SHA 512", func() []byte { return two.forgedOf(most, 0, nil) }, func(_ *Client, content []byte) {
			sha512.Sum512(content)
		}},
		{"of 1 MB", func() []byte { return two.forgedOf(1_000_000, 0, nil) }, direct},
		{"of 1 MB, a first one", func() []byte { return two.forgedFirstOf(1_000_000, mostMissing, &once.KeyID).Serialize() }, first},
		{"of 1 MB, of a group, by another", func() []byte { return one.signed(mostMissing, make([]byte, 1_000_000), another) }, ofGroup},
		{"of 1 MB, of a group, by its member", func() []byte { return one.sealed(mostMissing, make([]byte, 1_000_000)) }, ofGroup},
		{"of a group, by its member", func() []byte { return one.unpadded(mostMissing) }, ofGroup},
		{"of a group, by another", func() []byte { return one.signed(mostMissing, make([]byte, 48), another) }, ofGroup},
	} {
		b.Run(each.name, func(b *testing.B) { measured(b, each.forged, each.do, cold) })
	}
	b.Run("under a new key, in memory", func(b *testing.B) {
		measured(b, func() []byte { return two.forged(0, nil) }, direct, func() *Client {
			clear(warm.budgets.all)
			return warm
		})
	})
	stranger := met(b, two.device, two.again, "15550100003")
	stranger.begin()
	for _, each := range []struct {
		name string
		of   *pair
		text string
	}{
		{"in order, same state", two, "x\x01"},
		{"in order, of another", stranger, "x\x01"},
		{"in order, the largest", two, strings.Repeat("x", most-16) + "\x01"},
	} {
		b.Run(each.name, func(b *testing.B) {
			measured(b, func() []byte { content, _ := each.of.said(each.text); return content }, func(client *Client, content []byte) {
				ctx, steps := vault.Gather(background)
				_, _, err := client.DecryptDirect(ctx, part(content), *each.of.peer.ID, false, time.Unix(1, 0))
				if err := errors.Join(err, steps.Store(background, two.device)); err != nil {
					b.Fatal(err)
				}
			}, func() *Client { return warm })
		})
	}
	b.Run("by the library alone", func(b *testing.B) {
		measured(b, func() []byte { return two.forged(2000, nil) }, func(_ *Client, content []byte) {
			message := must(protocol.NewSignalMessageFromBytes(content, store.SignalProtobufSerializer.SignalMessage))
			if _, err := between(two.device, two.peer).Decrypt(background, message); !errors.Is(err, signalerror.ErrNoValidSessions) {
				b.Fatal(err)
			}
		}, cold)
	})
}
