// Encodes and decodes primitive values (numbers, bytes, lists) of the compact Signal key records in whatsmeow.db.

package records

import (
	"encoding/binary"
	"errors"
)

var errDamaged = errors.New("a record is damaged")

// cursor encodes or decodes the fields of a record one after the other: one description of a record serves both directions.
//
// Decoded bytes are parts of the record's, and share its memory.
type cursor struct {
	bytes   []byte // those that are encoded, or that are still to be decoded
	decodes bool
	err     error
}

// number is a uvarint.
func (at *cursor) number(value *uint32) {
	if !at.decodes {
		at.bytes = binary.AppendUvarint(at.bytes, uint64(*value))
		return
	}
	found, width := binary.Uvarint(at.bytes)
	if width <= 0 || found != uint64(uint32(found)) {
		at.fail()
		return
	}
	*value, at.bytes = uint32(found), at.bytes[width:]
}

// length is the length of what follows, and one more than that; 0 stands for nil. It is -1 of nil.
func (at *cursor) length(known int) int {
	count := uint32(known + 1)
	at.number(&count)
	// Each byte and each entry takes one byte or more.
	if at.decodes && int64(count)-1 > int64(len(at.bytes)) {
		at.fail()
	}
	if at.err != nil {
		return -1
	}
	return int(count) - 1
}

// blob are bytes.
func (at *cursor) blob(value *[]byte) {
	known := len(*value)
	if *value == nil {
		known = -1
	}
	switch length := at.length(known); {
	case !at.decodes:
		at.bytes = append(at.bytes, *value...)
	case length >= 0:
		*value, at.bytes = at.bytes[:length:length], at.bytes[length:]
	}
}

// flag is one byte.
func (at *cursor) flag(value *bool) {
	var known uint32
	if *value {
		known = 1
	}
	at.number(&known)
	*value = known == 1
}

func (at *cursor) fail() {
	at.err, at.bytes = errDamaged, nil
}

// one is a structure, or nil. Decoded, it is put into `place`, where that is not nil.
func one[Structure any](at *cursor, value **Structure, place *Structure, fields func(*cursor, *Structure)) {
	has := *value != nil
	at.flag(&has)
	if !has || at.err != nil {
		return
	}
	if at.decodes {
		if place == nil {
			place = new(Structure)
		}
		*value = place
	}
	fields(at, *value)
}

// list is a list of structures. Decoded, they share one piece of memory.
func list[Structure any](at *cursor, all *[]*Structure, fields func(*cursor, *Structure)) {
	known := len(*all)
	if *all == nil {
		known = -1
	}
	length := at.length(known)
	if length < 0 {
		return
	}
	var places []Structure
	if at.decodes {
		*all, places = make([]*Structure, length), make([]Structure, length)
	}
	for index := range *all {
		var place *Structure
		if at.decodes {
			place = &places[index]
		}
		one(at, &(*all)[index], place, fields)
	}
}
