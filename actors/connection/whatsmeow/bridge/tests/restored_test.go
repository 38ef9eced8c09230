// Tests a restored copy of the key database.

package tests

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"go.mau.fi/libsignal/protocol"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"teimoso-whatsmeow/pipe"
)

const (
	// manyWaiting is how many messages of each person wait: more than the sessions that a person's device keeps (40).
	manyWaiting = 95
	// manySent is how many messages go to each person meanwhile.
	manySent = 15
)

// stanzas returns what the program showed of its traffic in one direction.
func (one *actor) stanzas(direction string) (found []*waBinary.Node) {
	one.t.Helper()
	for _, each := range one.all("stanza") {
		if each.Fields["direction"] != direction {
			continue
		}
		var node shown
		if err := json.Unmarshal(each.Raw, &node); err != nil {
			one.t.Fatal(err)
		}
		found = append(found, node.node(one.t))
	}
	return found
}

// shown is a stanza as the program shows it: its addresses are texts, its bytes are in base64.
type shown struct {
	Tag     string
	Attrs   map[string]any
	Content json.RawMessage
}

func (s *shown) node(t *testing.T) *waBinary.Node {
	t.Helper()
	node := &waBinary.Node{Tag: s.Tag, Attrs: s.Attrs}
	for name, value := range s.Attrs {
		text, _ := value.(string)
		if jid, err := types.ParseJID(text); err == nil && strings.Contains(text, "@") {
			node.Attrs[name] = jid
		}
	}
	var err error
	switch s.Content[0] {
	case '[':
		var parts []shown
		err = json.Unmarshal(s.Content, &parts)
		children := make([]waBinary.Node, len(parts))
		for index := range parts {
			children[index] = *parts[index].node(t)
		}
		node.Content = children
	case '"':
		var content []byte
		err = json.Unmarshal(s.Content, &content)
		node.Content = content
	}
	if err != nil {
		t.Fatal(err)
	}
	return node
}

// sessionsBegun returns how many sessions each person began with the account: the base keys of their messages.
func (one *actor) sessionsBegun() map[string]int {
	one.t.Helper()
	begun := map[string]map[string]bool{}
	for _, node := range one.stanzas("in") {
		from, _ := node.Attrs["from"].(types.JID)
		for _, part := range node.GetChildrenByTag("enc") {
			content, _ := part.Content.([]byte)
			if node.Tag != "message" || part.Attrs["type"] != "pkmsg" {
				continue
			}
			message, err := protocol.NewPreKeySignalMessageFromBytes(
				content, store.SignalProtobufSerializer.PreKeySignalMessage, store.SignalProtobufSerializer.SignalMessage,
			)
			if err != nil {
				one.t.Fatal(err)
			}
			if begun[from.User] == nil {
				begun[from.User] = map[string]bool{}
			}
			begun[from.User][string(message.BaseKey().Serialize())] = true
		}
	}
	counts := map[string]int{}
	for user, keys := range begun {
		counts[user] = len(keys)
	}
	return counts
}

// retries returns how many messages the program asked for again, and with how many of these requests keys went along.
func (one *actor) retries() (asked, keys int) {
	one.t.Helper()
	for _, node := range one.stanzas("out") {
		if node.Tag != "receipt" || node.Attrs["type"] != "retry" {
			continue
		}
		asked++
		if _, has := node.GetOptionalChildByTag("keys"); has {
			keys++
		}
	}
	return asked, keys
}

// An old copy reads nothing of what waited. A person's device that got keys with each request would begin a session for
// each, and forget those that it reads this account by: what is sent meanwhile would come by retries, out of order (G4).
func TestRestoredCopyHasEachPersonBeginOneSession(t *testing.T) {
	t.Parallel()
	one, copied := paired(t), filepath.Join(t.TempDir(), "copy.db")
	friends := []string{number(), number(), number()}
	talk := func(id int, text string) {
		for index, friend := range friends {
			if sent := one.send(person(friend), fmt.Sprintf("3EB000000000000006%02d%02d", index, id), text); sent.Err != nil {
				t.Fatal(sent.Err)
			}
			since := one.now()
			say(t, friend, one.number, object{"text": text})
			one.await(since, "message", says(text))
		}
		settled(t, one.number)
	}
	talk(0, "before the copy")
	one.do("copy", pipe.Fields{"path": copied}, nil)
	talk(1, "after the copy")
	one.kill()
	for _, friend := range friends {
		post(t, "/contacts/"+friend+"/say", object{"to": one.number, "text": "waits", "count": manyWaiting})
	}

	next := start(t, copied)
	next.number = one.number
	if err := next.hello(2, nil).Err; err != nil {
		t.Fatal(err)
	}
	next.do("renew", nil, nil)
	next.do("trace", pipe.Fields{"on": true}, nil)
	sent := map[string]string{}
	for index := range friends {
		for each := range manySent {
			sent[fmt.Sprintf("3EB000000000000007%02d%02d", index, each)] = fmt.Sprintf("out %d", each)
		}
	}
	next.answer(resends(sent))
	next.login()
	for each := range manySent {
		for index, friend := range friends {
			id := fmt.Sprintf("3EB000000000000007%02d%02d", index, each)
			if answer := next.send(person(friend), id, sent[id]); answer.Err != nil {
				t.Fatal(answer.Err)
			}
		}
	}
	read := func() (count int) {
		for _, found := range next.all("message") {
			if strings.HasPrefix(found.text(), "waits") {
				count++
			}
		}
		return count
	}
	patiently(t, "all that waited is read", func() bool { return read() >= manyWaiting*len(friends) })
	settled(t, next.number)

	asked, keys := next.retries()
	begun, again := next.sessionsBegun(), len(next.all("sent"))
	t.Logf("%d waited; %d placeholders; %d asked for, %d times with keys; sessions begun: %v; %d of %d asked for by persons",
		manyWaiting*len(friends), len(next.all("undecryptable")), asked, keys, begun, again, len(sent))
	if asked < manyWaiting*len(friends) {
		t.Error("what waited could be read: the copy is not old")
	}
	if count := read(); count != manyWaiting*len(friends) {
		t.Errorf("%d were read", count)
	}
	for _, count := range begun {
		if count > 2 {
			t.Errorf("a person began %d sessions", count)
		}
	}
	if again > 0 {
		t.Errorf("%d messages could not be read by those whom they were sent to", again)
	}
	for _, friend := range friends {
		next.inOrder(friend, sent)
	}
}

// inOrder asserts that a person got the messages of the second program in the order in which they were sent.
func (one *actor) inOrder(friend string, sent map[string]string) {
	one.t.Helper()
	var texts []string
	for _, each := range items(get(one.t, "/contacts/"+friend+"/inbox"), "items") {
		id, _ := each["id"].(string)
		if _, ours := sent[id]; ours {
			texts = append(texts, fmt.Sprint(each["text"]))
		}
	}
	for index := range manySent {
		if want := fmt.Sprintf("out %d", index); index >= len(texts) || texts[index] != want {
			one.t.Errorf("a person got %v", texts)
			return
		}
	}
}
