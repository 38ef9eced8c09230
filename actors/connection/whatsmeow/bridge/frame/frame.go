// Package frame reads and writes frames (lengths, JSON header, raw bytes) of the pipe to the connection's actor.
//
// A frame is a big-endian u32 with the length of all that follows, a big-endian u32 with the length of
// the header, the header (a JSON object) and raw bytes.
package frame

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

// Limit is the longest frame in bytes, without its first length.
const Limit = 64 << 20

const (
	lengthSize = 4
	believed   = 64 << 10
)

// ErrMalformed reports a frame that breaks the format: nothing after it can be read.
var ErrMalformed = errors.New("malformed frame")

// Read returns header and raw bytes of the next frame.
//
// It returns io.EOF where the pipe ends between two frames, io.ErrUnexpectedEOF within one, and
// ErrMalformed where the lengths contradict the format. The header is not parsed.
func Read(from io.Reader) (header, raw []byte, err error) {
	var prefix [lengthSize]byte
	if _, err = io.ReadFull(from, prefix[:]); err != nil {
		return nil, nil, err
	}
	length := binary.BigEndian.Uint32(prefix[:])
	if length < lengthSize || length > Limit {
		return nil, nil, ErrMalformed
	}
	body, err := read(from, int(length))
	if err != nil {
		return nil, nil, err
	}
	split := binary.BigEndian.Uint32(body)
	if split > length-lengthSize {
		return nil, nil, ErrMalformed
	}
	return body[lengthSize : lengthSize+split], body[lengthSize+split:], nil
}

// read returns so many bytes. The length is the other side's word: beyond `believed` memory grows with what arrives,
// not with what is announced.
func read(from io.Reader, length int) ([]byte, error) {
	if length <= believed {
		body := make([]byte, length)
		_, err := io.ReadFull(from, body)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(from, int64(length)))
	if err == nil && len(body) < length {
		err = io.ErrUnexpectedEOF
	}
	return body, err
}

// Append appends one frame. It returns ErrMalformed, and appends nothing, for a frame over Limit.
func Append(to, header, raw []byte) ([]byte, error) {
	length := lengthSize + len(header) + len(raw)
	if length > Limit {
		return to, ErrMalformed
	}
	to = slices.Grow(to, lengthSize+length)
	to = binary.BigEndian.AppendUint32(to, uint32(length))
	to = binary.BigEndian.AppendUint32(to, uint32(len(header)))
	to = append(to, header...)
	return append(to, raw...), nil
}
