// Tests the layout of frames, and the refusal of broken ones.

package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
)

func written(t *testing.T, header, raw []byte) []byte {
	t.Helper()
	found, err := Append(nil, header, raw)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestFrameIsReadAsItWasWritten(t *testing.T) {
	for _, each := range []struct{ header, raw string }{
		{`{"id":1}`, ""}, {`{}`, "raw\x00bytes"}, {"", ""},
	} {
		header, raw, err := Read(bytes.NewReader(written(t, []byte(each.header), []byte(each.raw))))
		if err != nil || string(header) != each.header || string(raw) != each.raw {
			t.Errorf("read %q %q %v, wrote %q %q", header, raw, err, each.header, each.raw)
		}
	}
}

func TestLayoutIsTheOneThatTheOtherSideReads(t *testing.T) {
	want := []byte{0, 0, 0, 7, 0, 0, 0, 2, '{', '}', 'x'}
	if got := written(t, []byte("{}"), []byte("x")); !bytes.Equal(got, want) {
		t.Errorf("wrote %v, want %v", got, want)
	}
}

func TestFramesAreReadOneAfterTheOther(t *testing.T) {
	long := strings.Repeat("3", 2*believed)
	var all []byte
	for _, header := range []string{"1", "2", long} {
		var err error
		if all, err = Append(all, []byte(header), nil); err != nil {
			t.Fatal(err)
		}
	}
	stream := bytes.NewReader(all)
	for _, want := range []string{"1", "2", long} {
		if header, _, err := Read(stream); err != nil || string(header) != want {
			t.Errorf("read %q %v, want %q", header, err, want)
		}
	}
	if _, _, err := Read(stream); !errors.Is(err, io.EOF) {
		t.Errorf("the end was %v", err)
	}
}

func TestBrokenFramesAreRefused(t *testing.T) {
	huge := binary.BigEndian.AppendUint32(nil, Limit+1)
	for name, each := range map[string]struct {
		bytes []byte
		want  error
	}{
		"too long":            {huge, ErrMalformed},
		"no room for header":  {[]byte{0, 0, 0, 3, 0, 0, 0}, ErrMalformed},
		"header over the end": {[]byte{0, 0, 0, 5, 0, 0, 0, 2, 'x'}, ErrMalformed},
		"cut in the length":   {[]byte{0, 0}, io.ErrUnexpectedEOF},
		"cut in the body":     {[]byte{0, 0, 0, 9, 0, 0, 0, 1}, io.ErrUnexpectedEOF},
	} {
		if _, _, err := Read(bytes.NewReader(each.bytes)); !errors.Is(err, each.want) {
			t.Errorf("%s: %v, want %v", name, err, each.want)
		}
	}
	if found, err := Append([]byte("x"), nil, make([]byte, Limit)); !errors.Is(err, ErrMalformed) || string(found) != "x" {
		t.Errorf("a frame over the limit was written: %v", err)
	}
}

func TestAnnouncedLengthTakesNoMemory(t *testing.T) {
	announced := append(binary.BigEndian.AppendUint32(nil, Limit), 1, 2, 3)
	allocated := testing.AllocsPerRun(10, func() { _, _, _ = Read(bytes.NewReader(announced)) })
	if allocated > 10 {
		t.Errorf("%v allocations for three bytes", allocated)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte{0, 0, 0, 7, 0, 0, 0, 2, '{', '}', 'x'})
	f.Add([]byte{0, 0, 0, 5, 0, 0, 0, 2, 'x'})
	f.Add([]byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, stream []byte) {
		header, raw, err := Read(bytes.NewReader(stream))
		if err != nil {
			return
		}
		again := written(t, header, raw)
		if !bytes.HasPrefix(stream, again) {
			t.Errorf("%v was read as %q %q", stream, header, raw)
		}
	})
}
