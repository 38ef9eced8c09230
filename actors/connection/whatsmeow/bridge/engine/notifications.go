// Applies notification and call stanzas by the library, or delivers them to the actor, then acknowledges them to WhatsApp.

package engine

import (
	"errors"

	"go.mau.fi/whatsmeow/appstate"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"teimoso-whatsmeow/accountstate"
	"teimoso-whatsmeow/headers"
	"teimoso-whatsmeow/library"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
	"teimoso-whatsmeow/vault"
)

// notified returns whether a notification is the program's: what follows from it is stored before it is acknowledged. Any other is
// the library's; the keys of groups that it makes void are gone before.
func (l *login) notified(node *waBinary.Node) bool {
	void := false
	switch outcome.Text(node.Attrs["type"]) {
	case "server_sync", "w:gp2", "mediaretry", "picture", "mex", "privacy_token":
		return true
	case "encrypt":
		_, reinstalled := node.GetOptionalChildByTag("identity")
		return reinstalled
	case "account_sync":
		_, void = node.GetOptionalChildByTag("devices")
	case "devices":
		void = len(node.GetChildren()) > len(node.GetChildrenByTag("add"))
	case "link_code_companion_reg":
		code := node.GetChildByTag("link_code_companion_reg")
		if outcome.Text(code.Attrs["stage"]) == "refresh_code" {
			l.engine.pipe.Tell("code_void", nil, nil)
		}
	}
	if void {
		l.engine.renewKeys(l.client, vault.AllGroups)
	}
	return false
}

// notification handles a notification of the program's, and acknowledges it once what follows from it is stored.
func (l *login) notification(node *waBinary.Node) {
	ctx, client := l.engine.ctx, l.client
	var deliveries []<-chan pipe.Answer
	answer := func() { client.Acknowledge(ctx, node, 0) }
	switch outcome.Text(node.Attrs["type"]) {
	case "server_sync":
		l.changedStates(node, answer)
		return
	case "w:gp2":
		change, err := client.GroupNotification(ctx, node)
		if err == nil {
			if found, members := change.(*events.GroupInfo); members && len(found.Leave) > 0 {
				l.engine.renewKeys(l.client, found.JID)
			}
			deliveries = append(deliveries, l.deliver("group", headers.GroupChange(node, change), nil))
		}
	case "encrypt": // in its place: what the phone sends next begins a session
		client.Reinstallation(ctx, node)
		l.engine.renewKeys(client, vault.AllGroups)
	case "picture":
		deliveries = append(deliveries, l.deliver("picture", headers.PictureChanges(node), nil))
	case "mediaretry":
		if fields, answer := headers.MediaRetry(node); fields != nil {
			deliveries = append(deliveries, l.deliver("media_retried", fields, answer))
		}
	case "mex":
		deliveries = l.mexNotification(node)
	case "privacy_token":
		client.PrivacyTokenNotification(ctx, node)
	}
	l.stored(answer, deliveries...)
}

// renewKeys has the next message to a group, or to each of all, encrypted under a key that members who left and devices
// that were unlinked never had. It costs nothing more: each message brings its key to all devices.
func (e *Engine) renewKeys(client *library.Client, group types.JID) {
	if err := e.vault.ForgetSenderKeys(e.ctx, client.Store.GetJID(), client.Store.GetLID(), group); err != nil {
		e.failed(err)
	}
}

func (l *login) mexNotification(node *waBinary.Node) (deliveries []<-chan pipe.Answer) {
	for _, update := range node.GetChildrenByTag("update") {
		if content, ok := update.Content.([]byte); ok {
			fields := pipe.Fields{"op_name": outcome.Text(update.Attrs["op_name"]), "at": outcome.Number(node.Attrs["t"])}
			deliveries = append(deliveries, l.deliver("mex", fields, content))
		}
	}
	return deliveries
}

// changedStates acknowledges that collections changed once their changes are stored.
//
// A notification whose states cannot be read is acknowledged all the same: a patch that lacks a key is fetched when the phone shares it.
func (l *login) changedStates(node *waBinary.Node, answer func()) {
	var names []appstate.WAPatchName
	for _, collection := range node.GetChildrenByTag("collection") {
		names = append(names, appstate.WAPatchName(outcome.Text(collection.Attrs["name"])))
	}
	l.states.Look(l.engine.ctx, func(err error) {
		if !errors.Is(err, accountstate.ErrNotStored) && l.connected.Load() && l.engine.sound() == nil {
			answer()
		}
	}, names...)
}

// deliverState hands changes of the account's state to the actor, unless the login ends before they are committed.
func (l *login) deliverState(fields pipe.Fields, raw []byte) (pipe.Fields, error) {
	return l.committed("app_state", fields, raw)
}

// committed returns the answer to a delivery, unless the login ends before the actor commits it.
func (l *login) committed(kind string, fields pipe.Fields, raw []byte) (pipe.Fields, error) {
	select {
	case answer := <-l.deliver(kind, fields, raw):
		return answer.Fields, answer.Err
	case <-l.over:
		return nil, outcome.NotConnected
	}
}

// call hands calls that ring, or are over, to the actor.
func (l *login) call(node *waBinary.Node) {
	var deliveries []<-chan pipe.Answer
	for _, each := range headers.Calls(node) {
		deliveries = append(deliveries, l.deliver("call", each, nil))
	}
	l.stored(func() { l.client.Acknowledge(l.engine.ctx, node, 0) }, deliveries...)
}
