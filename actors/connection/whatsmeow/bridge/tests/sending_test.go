// Tests sends: acks, several in flight, missed devices.

package tests

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/pipe"
)

func refusal(t *testing.T, answer pipe.Answer) *pipe.Refusal {
	t.Helper()
	var found *pipe.Refusal
	if !errors.As(answer.Err, &found) {
		t.Fatalf("not refused: %v", answer)
	}
	return found
}

// begun returns an account that wrote to a person already: both have sessions.
func begun(t *testing.T) (one *actor, friend string) {
	t.Helper()
	one, friend = paired(t), number()
	if sent := one.send(person(friend), "3EB00000000000000000A0", "first"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	return one, friend
}

func (one *stock) write(to, id, text string) error {
	_, err := one.SendMessage(context.Background(), types.NewJID(to, types.DefaultUserServer),
		&waE2E.Message{Conversation: proto.String(text)}, whatsmeow.SendRequestExtra{ID: id, Timeout: 10 * time.Second})
	return err
}

func TestPollsWithOneAndWithSeveralChoicesLeaveAsPolls(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	one.do("trace", pipe.Fields{"on": true}, nil)
	poll := &waE2E.PollCreationMessage{Name: proto.String("Which?")}
	for id, message := range map[string]*waE2E.Message{
		"3EB00000000000000000B1": {PollCreationMessageV3: poll}, "3EB00000000000000000B2": {PollCreationMessage: poll},
	} {
		plain, err := proto.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		one.do("send", pipe.Fields{"chat": person(friend), "message_id": id}, plain)
		left := slices.IndexFunc(one.stanzas("out"), func(node *waBinary.Node) bool { return node.Attrs["id"] == id })
		if left < 0 {
			t.Fatal("no stanza was shown")
		}
		node := one.stanzas("out")[left]
		meta := node.GetChildByTag("meta")
		if node.Attrs["type"] != "poll" || meta.Attrs["polltype"] != "creation" {
			t.Errorf("%s left as %v with %v", id, node.Attrs["type"], meta.Attrs)
		}
		if item := inbox(t, friend, id); item == nil || item["type"] != "poll" {
			t.Errorf("%s arrived as %v", id, item)
		}
	}
}

func TestErrorNumbersOfAcksReachTheActor(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	for _, code := range []int{463, 475, 479, 500, 400} {
		fault(t, one.number, "error_acks", object{"code": code, "count": 1})
		found := refusal(t, one.send(person(friend), fmt.Sprintf("3EB0000000000000000%03d", code), "x"))
		if found.Code != "refused" || found.Number != code || found.Uncertain {
			t.Errorf("%d is %+v", code, found)
		}
	}
	struck(t, one.number, "error_acks")
}

func TestNumberThatAnotherOneAnswersIsRefusedWithThatOne(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	asked := friend + "9"
	post(t, "/contacts/"+asked, object{"answered_by": friend})
	found := refusal(t, one.send(person(asked), "3EB00000000000000000A9", "misdialled"))
	if found.Code != "other_number" || found.Phone != person(friend) || found.Permanent || found.Uncertain {
		t.Errorf("refused as %+v", *found)
	}
	if !strings.HasSuffix(found.LID, "@lid") {
		t.Errorf("its LID is %q", found.LID)
	}
	if inbox(t, friend, "3EB00000000000000000A9") != nil {
		t.Error("it left all the same")
	}
}

func TestStockHasTheNumberInAText(t *testing.T) {
	t.Parallel()
	one := linked(t, careful)
	fault(t, one.number, "error_acks", object{"code": 463, "count": 1})
	err := one.write(number(), "3EB0000000000000000010", "x")
	if !errors.Is(err, whatsmeow.ErrServerReturnedError) || !strings.HasSuffix(err.Error(), " 463") {
		t.Errorf("%v", err)
	}
}

func TestMessageWithoutAnAckIsUncertain(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	fault(t, one.number, "withhold_acks", object{"count": 1})
	answer := one.ask("send", pipe.Fields{
		"chat": person(friend), "message_id": "3EB0000000000000000011", "timeout_ms": 500,
	}, words("x"))
	if found := refusal(t, answer); found.Code != "timeout" || !found.Uncertain {
		t.Errorf("%+v", found)
	}
	struck(t, one.number, "withhold_acks")
	fault(t, one.number, "withhold_acks", object{"count": 1})
	waiting := one.begin("send", pipe.Fields{"chat": person(friend), "message_id": "3EB0000000000000000012"}, words("x"))
	eventually(t, "it arrived", func() bool { return inbox(t, friend, "3EB0000000000000000012") != nil })
	fault(t, one.number, "drop", nil)
	if found := refusal(t, <-waiting); found.Code != "disconnected" || !found.Uncertain {
		t.Errorf("%+v", found)
	}
	one.await(0, "ended", func(found record) bool { return found.Fields["by"] == "close" })
	if found := refusal(t, one.send(person(friend), "3EB0000000000000000013", "x")); found.Code != "not_connected" || found.Uncertain {
		t.Errorf("%+v", found)
	}
	// It goes again under its id, and nobody sees it twice.
	one.login()
	if sent := one.send(person(friend), "3EB0000000000000000012", "x"); sent.Err != nil {
		t.Error(sent.Err)
	}
}

func TestSeveralMessagesAreInFlight(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	fault(t, one.number, "withhold_acks", object{"count": 10})
	var answers []<-chan pipe.Answer
	var ids []string
	for count := range 10 {
		ids = append(ids, fmt.Sprintf("3EB00000000000000001%02d", count))
		answers = append(answers, one.begin("send", pipe.Fields{"chat": person(friend), "message_id": ids[count]}, words("x")))
	}
	eventually(t, "all left before the first ack", func() bool {
		return !slices.ContainsFunc(ids, func(id string) bool { return inbox(t, friend, id) == nil })
	})
	struck(t, one.number, "withhold_acks")
	one.endsBy(func() { fault(t, one.number, "drop", nil) })
	for _, answer := range answers {
		if found := refusal(t, <-answer); found.Code != "disconnected" || !found.Uncertain {
			t.Errorf("%+v", found)
		}
	}
}

func TestStockMissesADeviceThatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	one, friend := linked(t, careful), number()
	if err := one.write(friend, "3EB0000000000000000014", "first"); err != nil {
		t.Fatal(err)
	}
	post(t, "/contacts/"+friend+"/devices", object{"notify": false})
	if err := one.write(friend, "3EB0000000000000000015", "second"); err != nil {
		t.Fatal(err)
	}
	stays(t, "the new device lacks it", func() bool { return reached(t, friend, "3EB0000000000000000015") == 1 })
}

// reached returns to how many devices of a person a message came.
func reached(t *testing.T, number, id string) int {
	t.Helper()
	item := inbox(t, number, id)
	if item == nil {
		return 0
	}
	return len(item["devices"].([]any))
}

func TestDevicesThatTheServerKnowsBesidesAreReached(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	post(t, "/contacts/"+friend+"/devices", object{"notify": false})
	if sent := one.send(person(friend), "3EB0000000000000000016", "second"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	eventually(t, "both devices have it", func() bool { return reached(t, friend, "3EB0000000000000000016") == 2 })
	if item := inbox(t, friend, "3EB0000000000000000016"); item["deliveries"].(float64) != 1 {
		t.Errorf("it came more than once: %v", item)
	}
}

func TestDevicesOfMembersThatTheServerKnowsBesidesAreReached(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	group := post(t, "/groups", object{"subject": "Us", "creator": friend, "participants": []string{one.number}})["id"].(string)
	one.await(0, "group", nil)
	if sent := one.send(group, "3EB0000000000000000017", "first"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	post(t, "/contacts/"+friend+"/devices", object{"notify": false})
	if sent := one.send(group, "3EB0000000000000000018", "second"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	eventually(t, "both devices have it", func() bool { return reached(t, friend, "3EB0000000000000000018") == 2 })
	settled(t, one.number)
	if item := inbox(t, friend, "3EB0000000000000000018"); item["deliveries"].(float64) != 1 {
		t.Errorf("it came more than once: %v", item)
	}
	if sent := one.send(group, "3EB0000000000000000099", "third"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	eventually(t, "both devices have the next one", func() bool { return reached(t, friend, "3EB0000000000000000099") == 2 })
}

// spoil has the database refuse to store identities of a device: the library cannot encrypt for it then.
//
// With `once` the first try alone fails.
func spoil(t *testing.T, path string, device int, once bool) {
	t.Helper()
	db := database(t, path)
	condition := "1"
	if once {
		condition = "(SELECT count(*) FROM spoilt) = 1"
	}
	if _, err := db.Exec(fmt.Sprintf(`
		CREATE TABLE spoilt (one INTEGER);
		CREATE TRIGGER spoil BEFORE INSERT ON whatsmeow_identity_keys WHEN NEW.their_id LIKE '%%:%d' BEGIN
			INSERT INTO spoilt VALUES (1);
			SELECT RAISE(FAIL, 'spoilt') WHERE %s;
		END`, device, condition)); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
}

func TestStockCallsAMessageSentThatItsRecipientDoesNotGet(t *testing.T) {
	t.Parallel()
	one, friend := linked(t, careful), number()
	post(t, "/contacts/"+friend+"/devices", object{})
	if err := one.write(friend, "3EB0000000000000000019", "first"); err != nil {
		t.Fatal(err)
	}
	post(t, "/contacts/"+friend+"/reinstall", object{"identity": "same"})
	post(t, "/contacts/"+friend+"/devices", object{})
	eventually(t, "the library was told", func() bool { return !owes(t, one.number, "notification") })
	spoilStock(t, one)
	if err := one.write(friend, "3EB0000000000000000020", "second"); err != nil {
		t.Fatal(err)
	}
	assertReached(t, friend, "3EB0000000000000000020", 1)
}

func spoilStock(t *testing.T, one *stock) {
	t.Helper()
	if _, err := one.db.Exec(`
		DELETE FROM whatsmeow_sessions; DELETE FROM whatsmeow_identity_keys;
		CREATE TRIGGER spoil BEFORE INSERT ON whatsmeow_identity_keys WHEN NEW.their_id LIKE '%:0'
		BEGIN SELECT RAISE(FAIL, 'spoilt'); END`); err != nil {
		t.Fatal(err)
	}
}

func TestDeviceThatFailsOnceIsTriedAgain(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	post(t, "/contacts/"+friend+"/devices", object{})
	spoil(t, one.path, 0, true)
	if sent := one.send(person(friend), "3EB0000000000000000021", "x"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	assertReached(t, friend, "3EB0000000000000000021", 2)
	assertSpoilt(t, one.path)
}

func TestMessageIsNotSentWithoutItsRecipientsPhone(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	post(t, "/contacts/"+friend+"/devices", object{})
	spoil(t, one.path, 0, false)
	found := refusal(t, one.send(person(friend), "3EB0000000000000000022", "x"))
	if found.Code != "no_session" || found.Uncertain || reached(t, friend, "3EB0000000000000000022") != 0 {
		t.Errorf("%+v", found)
	}
	assertSpoilt(t, one.path)
}

func TestLinkedDeviceThatCannotBeReachedKeepsNobodyFromAMessage(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	post(t, "/contacts/"+friend+"/devices", object{})
	spoil(t, one.path, 1, false)
	if sent := one.send(person(friend), "3EB0000000000000000023", "x"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	assertReached(t, friend, "3EB0000000000000000023", 1)
	assertSpoilt(t, one.path)
}

func assertReached(t *testing.T, friend, message string, devices int) {
	t.Helper()
	if found := reached(t, friend, message); found != devices {
		t.Errorf("%d devices have it", found)
	}
}

func assertSpoilt(t *testing.T, path string) {
	t.Helper()
	var tries int
	if err := database(t, path).QueryRow("SELECT count(*) FROM spoilt").Scan(&tries); err != nil || tries < 1 {
		t.Errorf("nothing was spoilt: %v", err)
	}
}

func TestMessagesBothWaysAtOnceAreReadable(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	const each = 40
	var all sync.WaitGroup
	all.Go(func() {
		for count := range each {
			say(t, friend, one.number, object{"text": fmt.Sprintf("in %d", count)})
		}
	})
	all.Go(func() {
		for count := range each {
			if count%10 == 5 {
				post(t, "/contacts/"+friend+"/forget", object{"account": one.number})
			}
			if sent := one.send(person(friend), fmt.Sprintf("3EB00000000000000002%02d", count), fmt.Sprintf("out %d", count)); sent.Err != nil {
				t.Error(sent.Err)
			}
		}
	})
	one.answer(resends(map[string]string{}))
	all.Wait()
	for count := range each {
		one.await(0, "message", says(fmt.Sprintf("in %d", count)))
		id, text := fmt.Sprintf("3EB00000000000000002%02d", count), fmt.Sprintf("out %d", count)
		eventually(t, "the person reads "+text, func() bool {
			item := inbox(t, friend, id)
			return item != nil && item["text"] == text
		})
	}
	settled(t, one.number)
}

// known has the program know the LID of a person, and nothing else of them.
func known(t *testing.T, one *actor, friend string) {
	t.Helper()
	post(t, "/contacts/"+friend, object{"registered": true})
	one.do("lookup", pipe.Fields{"number": friend}, nil)
}

// groupOf has a person make a group with the account; it is known to the program.
func groupOf(t *testing.T, one *actor, friend string) string {
	t.Helper()
	since := one.now()
	group := post(t, "/groups", object{"subject": "Us", "creator": friend, "participants": []string{one.number}})["id"].(string)
	one.await(since, "group", nil)
	return group
}

func TestMessageThatNoDeviceOfItsRecipientGetsIsNotSent(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	known(t, one, friend)
	group := groupOf(t, one, friend)
	for _, omitted := range []object{{}, {"contact": friend}, {"contact": friend, "device": 0}} {
		fault(t, one.number, "omit_devices", omitted)
		for _, chat := range []string{person(friend), group} {
			id := "3EB00000000000000000C1"
			found := refusal(t, one.send(chat, id, "x"))
			if found.Code != "no_devices" || found.Permanent || found.Uncertain {
				t.Errorf("%v to %s: %+v", omitted, chat, *found)
			}
			if reached(t, friend, id) != 0 {
				t.Error("it left all the same")
			}
		}
		struck(t, one.number, "omit_devices")
		clearFaults(t, one.number)
	}
	for _, chat := range []string{person(friend), group} {
		if sent := one.send(chat, "3EB00000000000000000C2", "x"); sent.Err != nil {
			t.Errorf("once they are listed again: %v", sent.Err)
		}
	}
}

func TestMessageToADeviceOfItsRecipientIsSent(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	post(t, "/contacts/"+friend+"/devices", object{})
	known(t, one, friend)
	fault(t, one.number, "omit_devices", object{"contact": friend, "device": 0})
	if sent := one.send(person(friend), "3EB00000000000000000C3", "x"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	struck(t, one.number, "omit_devices")
	assertReached(t, friend, "3EB00000000000000000C3", 1)
}

// queries returns how many queries of a kind left.
func (one *actor) queries(space string) (count int) {
	one.t.Helper()
	for _, node := range one.stanzas("out") {
		if node.Tag == "iq" && node.Attrs["xmlns"] == space {
			count++
		}
	}
	return count
}

func TestParticipantHashThatStaysDifferentCostsOneRefresh(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	for _, chat := range []string{person(friend), groupOf(t, one, friend)} {
		if sent := one.send(chat, "3EB00000000000000000D0", "x"); sent.Err != nil {
			t.Fatal(sent.Err)
		}
		fault(t, one.number, "false_phash", nil)
		one.do("trace", pipe.Fields{"on": true}, nil)
		devices, members := one.queries("usync"), one.queries("w:g2")
		for count := range 4 {
			if sent := one.send(chat, fmt.Sprintf("3EB00000000000000000D%d", count+1), "x"); sent.Err != nil {
				t.Fatal(sent.Err)
			}
		}
		one.do("trace", pipe.Fields{"on": false}, nil)
		struck(t, one.number, "false_phash")
		clearFaults(t, one.number)
		devices, members = one.queries("usync")-devices, one.queries("w:g2")-members
		if devices != 1 || members > 1 {
			t.Errorf("%s: %d queries for devices and %d for members", chat, devices, members)
		}
		assertReached(t, friend, "3EB00000000000000000D4", 1)
	}
	left := 0
	for _, node := range one.stanzas("out") {
		if node.Tag == "message" {
			left++
		}
	}
	if left != 8 {
		t.Errorf("%d stanzas for 8 messages", left)
	}
}

// times returns how often a fault happened to an account.
func times(t *testing.T, account, kind string) (count int) {
	t.Helper()
	for _, each := range items(get(t, "/faults?account="+account), "items") {
		if each["kind"] == kind {
			count += int(each["struck"].(float64))
		}
	}
	return count
}

func TestReceivingDoesNotWaitForTheQueriesOfASend(t *testing.T) {
	t.Parallel()
	one, other := begun(t)
	friend := number()
	known(t, one, friend)
	fault(t, one.number, "delay_queries", object{"seconds": 6})
	waiting := one.begin("send", pipe.Fields{"chat": person(friend), "message_id": "3EB00000000000000000E0"}, words("x"))
	for count := range 2 { // the query for devices, then the one for their keys
		eventually(t, "the send waits for an answer", func() bool {
			return times(t, one.number, "delay_queries") == count+1
		})
		post(t, "/contacts/"+friend+"/devices", object{})
		text := fmt.Sprintf("meanwhile %d", count)
		say(t, other, one.number, object{"text": text})
		one.await(0, "message", says(text))
		if times(t, one.number, "delay_queries") > count+1 {
			t.Errorf("%q was read once the answer to query %d had come", text, count+1)
		}
	}
	if sent := <-waiting; sent.Err != nil {
		t.Error(sent.Err)
	}
}

func TestPersonWhoDemandsATokenGetsOneOfTheAccounts(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	one.await(0, "app_state", nil)
	settled(t, one.number)
	post(t, "/phones/"+one.number+"/app-state", object{"type": "salt", "remove": true})
	settled(t, one.number)
	post(t, "/contacts/"+friend, object{"token_needed": true})
	issued := func() any { return get(t, "/accounts/"+one.number)["tokens"].(object)[friend] }
	for count := range 2 { // the second refusal within the week issues none
		found := refusal(t, one.send(person(friend), fmt.Sprintf("3EB00000000000000001A%d", count), "x"))
		if found.Number != 463 || found.Uncertain {
			t.Errorf("%+v", *found)
		}
		// The library issues it beside the send, and knows of it once it is answered.
		eventually(t, "a token is issued", func() bool { return issued() == 1.0 })
	}
	stays(t, "a token is issued once", func() bool { return issued() == 1.0 })
	if sent := one.send(person(number()), "3EB00000000000000001B0", "x"); sent.Err != nil {
		t.Errorf("others are refused too: %v", sent.Err)
	}
}
