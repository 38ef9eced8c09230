// Tests the compact encoding of sessions and sender keys.

package records

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"testing"

	groups "go.mau.fi/libsignal/groups/state/record"
	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/whatsmeow/store"
)

// full returns a structure in which each field has a value of its own, and each list two entries. Bytes are 16.
func full[Structure any]() *Structure {
	made, next := new(Structure), uint64(0)
	var fill func(reflect.Value)
	fill = func(value reflect.Value) {
		next++
		switch value.Kind() {
		case reflect.Pointer:
			value.Set(reflect.New(value.Type().Elem()))
			fill(value.Elem())
		case reflect.Struct:
			for index := range value.NumField() {
				fill(value.Field(index))
			}
		case reflect.Slice:
			if value.Type().Elem().Kind() == reflect.Uint8 {
				value.SetBytes(binary.BigEndian.AppendUint64(bytes.Repeat([]byte{0xff}, 8), next))
				return
			}
			value.Set(reflect.MakeSlice(value.Type(), 2, 2))
			fill(value.Index(0))
			fill(value.Index(1))
		case reflect.Bool:
			value.SetBool(true)
		case reflect.Int:
			value.SetInt(int64(next))
		case reflect.Uint32:
			value.SetUint(next << 20)
		default:
			panic(value.Kind())
		}
	}
	fill(reflect.ValueOf(made).Elem())
	return made
}

// holed returns a structure whose lists have one entry, and whose pointers and bytes are nil but for these.
func holed() *record.SessionStructure {
	return &record.SessionStructure{
		SessionState: &record.StateStructure{
			RootKey: []byte{}, ReceiverChains: []*record.ChainStructure{{}, nil}, SenderChain: &record.ChainStructure{},
		},
		PreviousStates: []*record.StateStructure{},
	}
}

func TestEachFieldComesBack(t *testing.T) {
	for _, want := range []*record.SessionStructure{full[record.SessionStructure](), holed(), {}} {
		if found, err := decode(encode(want, sessions), sessions); err != nil || !reflect.DeepEqual(found, want) {
			t.Errorf("%v: %+v, not %+v", err, found, want)
		}
	}
	for _, want := range []*groups.SenderKeyStructure{full[groups.SenderKeyStructure](), {}} {
		if found, err := decode(encode(want, senderKeys), senderKeys); err != nil || !reflect.DeepEqual(found, want) {
			t.Errorf("%v: %+v, not %+v", err, found, want)
		}
	}
}

// Later releases decode these records, and the tests of traces find each of their keys (`tests/signal_records.py`).
func TestTheGoldenRecordsAreEncodedAsBefore(t *testing.T) {
	read, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	golden := map[string]string{}
	if err := json.Unmarshal(read, &golden); err != nil {
		t.Fatal(err)
	}
	for name, encoded := range map[string][]byte{
		"sessions":           encode(full[record.SessionStructure](), sessions),
		"sessions with gaps": encode(holed(), sessions),
		"sender keys":        encode(full[groups.SenderKeyStructure](), senderKeys),
		"no sender keys":     encode(&groups.SenderKeyStructure{}, senderKeys),
	} {
		if found := hex.EncodeToString(encoded); found != golden[name] {
			t.Errorf("%s: %s", name, found)
		}
	}
}

func TestTheLibraryUsesTheseRecords(t *testing.T) {
	if store.SignalProtobufSerializer.Session != Sessions || store.SignalProtobufSerializer.SenderKeyRecord != SenderKeys {
		t.Error("the library uses others")
	}
}

func TestADamagedRecordIsRefused(t *testing.T) {
	encoded := encode(full[record.SessionStructure](), sessions)
	for length := range len(encoded) {
		if _, err := Sessions.Deserialize(bytes.Clone(encoded[:length])); err == nil {
			t.Errorf("%d bytes of it are decoded", length)
		}
	}
	if _, err := Sessions.Deserialize(append(bytes.Clone(encoded), 0)); err == nil {
		t.Error("more than all of it is decoded")
	}
	if _, err := Sessions.Deserialize([]byte("{}")); err == nil {
		t.Error("the library's form is decoded")
	}
	for at := range encoded { // whatever comes of it, it ends
		broken := bytes.Clone(encoded)
		broken[at] ^= 0xff
		_, _ = Sessions.Deserialize(broken)
	}
}

func TestWhatIsDecodedDoesNotGrowIntoItsNeighbour(t *testing.T) {
	encoded := encode(full[record.SessionStructure](), sessions)
	found, err := decode(encoded, sessions)
	if err != nil {
		t.Fatal(err)
	}
	before := bytes.Clone(encoded)
	_ = append(found.SessionState.RootKey, 1)
	if !bytes.Equal(before, encoded) {
		t.Error("the record changed")
	}
}
