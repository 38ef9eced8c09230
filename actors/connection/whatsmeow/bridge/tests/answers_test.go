// Tests when stanzas are answered, beside the stock library.

package tests

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/pipe"
)

// Each pair of tests shows a stanza that the library acknowledges too early, and that the program does not.

func say(t *testing.T, from, to string, more object) string {
	t.Helper()
	body := object{"to": to, "text": "kept"}
	for name, value := range more {
		body[name] = value
	}
	return post(t, "/contacts/"+from+"/say", body)["id"].(string)
}

// withheld asserts that a stanza is not answered as long as the actor did not store its delivery, that it comes
// again after a restart, and that it is answered once it is stored.
func withheld(t *testing.T, one *actor, delivery, kind string, cause func()) {
	t.Helper()
	one.answer(func(found record) (pipe.Fields, []byte, error) {
		if found.Name == delivery {
			return nil, nil, errors.New("the disk is full")
		}
		return stores(found)
	})
	since := one.now()
	cause()
	one.await(since, delivery, nil)
	stays(t, kind+" is owed an answer", func() bool { return owes(t, one.number, kind) })
	one.kill()
	next := one.again(2)
	next.login()
	next.await(0, delivery, nil)
	settled(t, one.number)
}

func TestMessageIsReceiptedOnceItIsStored(t *testing.T) {
	t.Parallel()
	one := paired(t)
	withheld(t, one, "message", "message", func() { say(t, number(), one.number, nil) })
}

func TestStockReceiptsWhatItsHandlerPanickedOn(t *testing.T) {
	t.Parallel()
	one := linked(t, careful)
	one.handles(func(event any) bool {
		if isMessage(event) {
			panic("the application's bug")
		}
		return true
	})
	id, friend := "", number()
	id = say(t, friend, one.number, nil)
	one.await("message", isMessage)
	eventually(t, "the lost message is receipted", func() bool { return said(t, friend, id)["received"] == true })
	settled(t, one.number)
}

func TestStockReceiptsAnOldCounterThatNobodyStored(t *testing.T) {
	t.Parallel()
	one := linked(t, func(one *stock) {
		careful(one)
		one.EnableDecryptedEventBuffer = false // the setting as the library comes
	})
	friend := number()
	say(t, friend, one.number, object{"text": "first"})
	one.await("first", isMessage)
	var seen atomic.Int32
	one.handles(func(event any) bool {
		if found, ok := event.(*events.Message); ok && found.Message.GetConversation() == "kept" {
			seen.Add(1)
			return false
		}
		return true
	})
	id := say(t, friend, one.number, nil)
	eventually(t, "the handler failed", func() bool { return seen.Load() == 1 })
	one.Disconnect()
	one.connect()
	eventually(t, "the message is receipted", func() bool { return said(t, friend, id)["received"] == true })
	if seen.Load() != 1 {
		t.Error("the handler saw it again")
	}
}

func TestOldCounterIsAnsweredAsTheActorKnowsIt(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{true, false} {
		one, friend := paired(t), number()
		say(t, friend, one.number, object{"text": "first"})
		one.await(0, "message", says("first"))
		settled(t, one.number)
		one.answer(func(record) (pipe.Fields, []byte, error) { return nil, nil, errNoAnswer })
		since := one.now()
		id := say(t, friend, one.number, nil)
		one.await(since, "message", nil)
		one.kill()
		forgetBuffer(t, one.path)
		next := one.again(2)
		next.answer(func(record) (pipe.Fields, []byte, error) { return pipe.Fields{"known": known}, nil, nil })
		next.login()
		asked := next.await(0, "knows", nil)
		if asked.Fields["message_id"] != id {
			t.Errorf("asked for %v", asked.Fields)
		}
		if !known {
			next.await(0, "undecryptable", nil)
			next.await(0, "message", says("kept"))
		}
		settled(t, one.number)
		if placeholders := len(next.all("undecryptable")); known && placeholders > 0 {
			t.Error("a message that is stored became a placeholder")
		}
	}
}

// forgetBuffer has the library forget which ciphertexts it decrypted. No program may run.
func forgetBuffer(t *testing.T, path string) {
	t.Helper()
	db := database(t, path)
	if _, err := db.Exec("DELETE FROM whatsmeow_event_buffer"); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
}

func database(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=foreign_keys(1)&_busy_timeout=10000")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestStockAcknowledgesWhatItCannotReadBeforeItsHandler(t *testing.T) {
	t.Parallel()
	one := linked(t, careful)
	one.handles(func(event any) bool { return !isUndecryptable(event) })
	fault(t, one.number, "garble", object{"count": 1})
	say(t, number(), one.number, nil)
	one.await("undecryptable", isUndecryptable)
	struck(t, one.number, "garble")
	settled(t, one.number)
}

func TestPlaceholderIsStoredBeforeAnAnswer(t *testing.T) {
	t.Parallel()
	one := paired(t)
	withheld(t, one, "undecryptable", "message", func() {
		fault(t, one.number, "garble", object{"count": 10})
		say(t, number(), one.number, nil)
	})
	struck(t, one.number, "garble")
}

func TestUndecryptableMessageIsAskedForAgain(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	fault(t, one.number, "garble", object{"count": 1})
	id := say(t, friend, one.number, nil)
	placeholder := one.await(0, "undecryptable", nil)
	if placeholder.Fields["message_id"] != id || placeholder.Fields["kind"] != "undecryptable" {
		t.Errorf("placeholder %v", placeholder.Fields)
	}
	one.await(0, "message", says("kept"))
	struck(t, one.number, "garble")
	settled(t, one.number)
}

func TestStockAcknowledgesUnavailableMessagesBeforeItsHandler(t *testing.T) {
	t.Parallel()
	one := linked(t, careful)
	one.handles(func(event any) bool { return !isUndecryptable(event) })
	say(t, number(), one.number, object{"unavailable": "plain"})
	one.await("unavailable", isUndecryptable)
	settled(t, one.number)
}

func TestUnavailableMessageIsStoredBeforeAnAnswer(t *testing.T) {
	t.Parallel()
	one := paired(t)
	withheld(t, one, "undecryptable", "message", func() {
		say(t, number(), one.number, object{"unavailable": "plain"})
	})
}

// askPhone asks the account's phone for a message that came without its content.
func (one *actor) askPhone(id, chat, message string) {
	one.t.Helper()
	encoded, err := proto.Marshal(&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_PEER_DATA_OPERATION_REQUEST_MESSAGE.Enum(),
		PeerDataOperationRequestMessage: &waE2E.PeerDataOperationRequestMessage{
			PeerDataOperationRequestType: waE2E.PeerDataOperationRequestType_PLACEHOLDER_MESSAGE_RESEND.Enum(),
			PlaceholderMessageResendRequest: []*waE2E.PeerDataOperationRequestMessage_PlaceholderMessageResendRequest{{
				MessageKey: &waCommon.MessageKey{
					FromMe: proto.Bool(false), ID: proto.String(message), RemoteJID: proto.String(chat),
				},
			}},
		},
	}})
	if err != nil {
		one.t.Fatal(err)
	}
	one.do("peer", pipe.Fields{"message_id": id}, encoded)
}

func TestPhoneResendsWhatCameWithoutContent(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	id := say(t, friend, one.number, object{"unavailable": "plain"})
	found := one.await(0, "undecryptable", nil).Fields
	one.askPhone("3EB0000000000000000070", found["chat"].(string), id)
	resent := one.await(0, "resent", nil)
	if resent.Fields["request_id"] != "3EB0000000000000000070" || resent.Fields["found"] != true || len(resent.Raw) == 0 {
		t.Errorf("resent as %v", resent.Fields)
	}
	settled(t, one.number)
}

func TestStockReceiptsAResendThatItsHandlerRefused(t *testing.T) {
	t.Parallel()
	one := linked(t, careful)
	friend := number()
	// The library asks the phone by itself, in the session that the phone's keys came with.
	one.await("the phone's keys", func(event any) bool { _, ok := event.(*events.AppStateSyncComplete); return ok })
	one.handles(func(event any) bool { return !isMessage(event) })
	say(t, friend, one.number, object{"unavailable": "plain"})
	one.await("the resend", func(event any) bool {
		found, ok := event.(*events.Message)
		return ok && found.UnavailableRequestID != ""
	})
	settled(t, one.number)
}

func TestResendIsStoredBeforeAnAnswer(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	id := say(t, friend, one.number, object{"unavailable": "plain"})
	found := one.await(0, "undecryptable", nil).Fields
	withheld(t, one, "resent", "message", func() {
		one.askPhone("3EB0000000000000000071", found["chat"].(string), id)
	})
}

func history(t *testing.T, account string) {
	t.Helper()
	post(t, "/phones/"+account+"/history", object{"inline": true, "conversations": []object{{
		"chat": number(), "messages": []object{{"text": "last week", "at": 1790000000}},
	}}})
}

func TestStockReceiptsAHistoryThatItsHandlerRefused(t *testing.T) {
	t.Parallel()
	one := linked(t, func(one *stock) {
		careful(one)
		one.ManualHistorySyncDownload = true
	})
	one.handles(func(event any) bool { return !isMessage(event) })
	history(t, one.number)
	one.await("the notification", isMessage)
	settled(t, one.number)
}

func TestHistoryIsStoredBeforeAnAnswer(t *testing.T) {
	t.Parallel()
	one := paired(t)
	withheld(t, one, "history", "message", func() { history(t, one.number) })
}

type slowKeys struct {
	store.AppStateSyncKeyStore
	hold chan struct{}
}

func (keys *slowKeys) PutAppStateSyncKey(ctx context.Context, id []byte, key store.AppStateSyncKey) error {
	<-keys.hold
	return keys.AppStateSyncKeyStore.PutAppStateSyncKey(ctx, id, key)
}

func TestStockReceiptsKeysBeforeTheyAreStored(t *testing.T) {
	t.Parallel()
	one := linked(t, careful)
	settled(t, one.number)
	keys := &slowKeys{one.Store.AppStateKeys, make(chan struct{})}
	defer close(keys.hold)
	one.Store.AppStateKeys = keys
	post(t, "/phones/"+one.number+"/app-state/keys", object{})
	settled(t, one.number) // and none of them is stored
}

func TestKeysAreStoredBeforeTheyAreReceipted(t *testing.T) {
	t.Parallel()
	one := paired(t)
	settled(t, one.number)
	db := database(t, one.path)
	var before int
	count := "SELECT count(*) FROM whatsmeow_app_state_sync_keys"
	if err := db.QueryRow(count).Scan(&before); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`CREATE TRIGGER full BEFORE INSERT ON whatsmeow_app_state_sync_keys
		BEGIN SELECT RAISE(ABORT, 'disk full, as far as the library can tell'); END`); err != nil {
		t.Fatal(err)
	}
	one.leaves("message")
	post(t, "/phones/"+one.number+"/app-state/keys", object{})
	stays(t, "the keys are owed an answer", func() bool { return owes(t, one.number, "message") })
}

func TestStockAcknowledgesReceiptsAndGroupChangesBeforeItsHandler(t *testing.T) {
	t.Parallel()
	handles := func(fits func(any) bool, cause func(one *stock, friend string)) {
		one, friend := linked(t, nil), number() // the settings as the library comes
		settled(t, one.number)
		begun, end := make(chan struct{}), make(chan struct{})
		var once sync.Once
		one.handles(func(event any) bool {
			if fits(event) {
				once.Do(func() { close(begun) })
				<-end
			}
			return false
		})
		cause(one, friend)
		select {
		case <-begun:
			settled(t, one.number) // while the handler still waits
		case <-time.After(time.Minute):
			t.Error("the handler was not called")
		}
		close(end)
	}
	handles(func(event any) bool { _, ok := event.(*events.Receipt); return ok }, func(one *stock, friend string) {
		to := types.NewJID(friend, types.DefaultUserServer)
		if _, err := one.SendMessage(context.Background(), to, &waE2E.Message{Conversation: proto.String("x")}); err != nil {
			t.Fatal(err)
		}
	})
	handles(func(event any) bool { _, ok := event.(*events.JoinedGroup); return ok }, func(one *stock, friend string) {
		post(t, "/groups", object{"subject": "Us", "creator": friend, "participants": []string{one.number}})
	})
}

func TestReceiptsAndGroupChangesAreStoredBeforeAnAnswer(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	withheld(t, one, "receipt", "receipt", func() {
		one.send(person(friend), "3EB0000000000000000005", "x")
	})
	two := paired(t)
	withheld(t, two, "group", "notification", func() {
		post(t, "/groups", object{"subject": "Us", "creator": friend, "participants": []string{two.number}})
	})
}

func TestPartThatNoDeviceReadsIsRefusedAndNotAskedForAgain(t *testing.T) {
	t.Parallel()
	one := paired(t)
	one.do("trace", pipe.Fields{"on": true}, nil)
	fault(t, one.number, "unknown_enc", nil)
	found := one.await(0, "undecryptable", nil)
	if found.Fields["kind"] != "unknown_enc" {
		t.Errorf("stored as %v", found.Fields["kind"])
	}
	settled(t, one.number)
	var answers []string
	eventually(t, "its answer is in the trace", func() bool {
		answers = nil
		for _, node := range one.stanzas("out") {
			if node.Attrs["id"] == found.Fields["message_id"] {
				answers = append(answers, fmt.Sprint(node.Tag, " ", node.Attrs["type"], " ", node.Attrs["error"]))
			}
		}
		return len(answers) > 0
	})
	if len(answers) != 1 || !strings.HasPrefix(answers[0], "ack") || !strings.HasSuffix(answers[0], "495") {
		t.Errorf("answered by %v", answers)
	}
}

func TestMessageIsReadWithoutAPartThatNoDeviceReads(t *testing.T) {
	t.Parallel()
	one := paired(t)
	fault(t, one.number, "extra_enc", nil)
	one.await(0, "message", says("readable"))
	settled(t, one.number)
	if found := one.all("undecryptable"); len(found) > 0 {
		t.Errorf("a placeholder: %v", found[0].Fields)
	}
}

func TestMessagesBehindALongGapAreRead(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	const count = 1500
	say(t, friend, one.number, object{"text": "before"})
	one.await(0, "message", says("before"))
	since := one.now()
	fault(t, one.number, "reorder", object{"count": count})
	post(t, "/contacts/"+friend+"/say", object{"to": one.number, "text": "late", "count": count})
	one.await(since, "message", says("late 1")) // is the last that comes
	settled(t, one.number)
	if found := one.all("undecryptable"); len(found) > 0 {
		t.Errorf("%d messages were not read", len(found))
	}
	if found := one.all("message"); len(found) != count+1 {
		t.Errorf("%d messages", len(found))
	}
}
