// Package frame reads and writes the frames of the pipe to the connection's actor.
//
// A frame is a big-endian u32 with the length of all that follows, a big-endian u32 with the length of
// the header, the header (a JSON object) and raw bytes.
package frame

import (
	"encoding/binary"
	"errors"
	"io"
)

// Limit is the longest frame in bytes, without its first length.
const Limit = 64 << 20

const lengthSize = 4

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
	// The length is the other side's word: memory grows with what arrives, not with what is announced.
	body, err := io.ReadAll(io.LimitReader(from, int64(length)))
	if err != nil {
		return nil, nil, err
	}
	if uint32(len(body)) < length {
		return nil, nil, io.ErrUnexpectedEOF
	}
	split := binary.BigEndian.Uint32(body)
	if split > length-lengthSize {
		return nil, nil, ErrMalformed
	}
	return body[lengthSize : lengthSize+split], body[lengthSize+split:], nil
}

// Write writes one frame in one call of the writer. It returns ErrMalformed for a frame over Limit.
func Write(to io.Writer, header, raw []byte) error {
	length := lengthSize + len(header) + len(raw)
	if length > Limit {
		return ErrMalformed
	}
	whole := make([]byte, lengthSize, lengthSize+length)
	binary.BigEndian.PutUint32(whole, uint32(length))
	whole = binary.BigEndian.AppendUint32(whole, uint32(len(header)))
	whole = append(whole, header...)
	whole = append(whole, raw...)
	_, err := to.Write(whole)
	return err
}
