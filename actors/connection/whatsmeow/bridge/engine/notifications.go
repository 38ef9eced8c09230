// Applies notification and call stanzas by the library, or delivers them to the actor, then acknowledges them to WhatsApp.

package engine

import (
	"encoding/hex"
	"errors"

	"go.mau.fi/whatsmeow/appstate"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"teimoso-whatsmeow/accountstate"
	"teimoso-whatsmeow/headers"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
	"teimoso-whatsmeow/vault"
)

// notification handles what the server tells, and acknowledges it once what follows from it is stored.
func (one *login) notification(node *waBinary.Node) {
	ctx, client := one.engine.ctx, one.client
	var deliveries []<-chan pipe.Answer
	answer := func() { client.Acknowledge(ctx, node, 0) }
	switch outcome.Text(node.Attrs["type"]) {
	case "encrypt":
		one.encryptNotification(node)
	case "server_sync":
		one.changedStates(node, answer)
		return
	case "account_sync":
		client.AccountNotification(ctx, node)
		if _, changed := node.GetOptionalChildByTag("devices"); changed {
			one.renewKeys(vault.AllGroups)
		}
		deliveries = append(deliveries, one.deliver("account", pipe.Fields{"changed": tags(node)}, nil))
	case "devices":
		client.DeviceNotification(ctx, node)
		if len(node.GetChildren()) > len(node.GetChildrenByTag("add")) {
			one.renewKeys(vault.AllGroups)
		}
	case "w:gp2":
		change, err := client.GroupNotification(ctx, node)
		if err == nil {
			if found, members := change.(*events.GroupInfo); members && len(found.Leave) > 0 {
				one.renewKeys(found.JID)
			}
			deliveries = append(deliveries, one.deliver("group", headers.GroupChange(node, change), nil))
		}
	case "picture":
		deliveries = append(deliveries, one.deliver("picture", headers.PictureChanges(node), nil))
	case "mediaretry":
		client.MediaRetryNotification(ctx, node)
		deliveries, one.collected = one.collected, nil // by the event, on this goroutine
	case "privacy_token":
		client.PrivacyTokenNotification(ctx, node)
	case "link_code_companion_reg":
		one.codeNotification(node)
	case "mex":
		deliveries = one.mexNotification(node)
	case "passkey_prologue_request":
		client.PasskeyNotification(ctx, node)
	case "crsc_continuation":
		go client.PasskeyContinuation(ctx, node)
	case "companion_reg_refresh":
		one.refreshSecret()
	}
	one.stored(answer, deliveries...)
}

// encryptNotification deletes the sessions of a changed identity, and the keys that the installation before it had,
// before it is acknowledged; prekeys are uploaded beside other work, since each login looks for lacking ones too.
func (one *login) encryptNotification(node *waBinary.Node) {
	handle := func() {
		done := one.engine.ratchet.Take()
		defer done()
		one.client.EncryptNotification(one.engine.ctx, node)
	}
	if _, changed := node.GetOptionalChildByTag("identity"); changed {
		handle()
		one.renewKeys(vault.AllGroups)
		return
	}
	go handle()
}

// renewKeys has the next message to a group, or to each of all, encrypted under a key that members who left and devices
// that were unlinked never had. It costs nothing more: each message brings its key to all devices.
func (one *login) renewKeys(group types.JID) {
	engine, device := one.engine, one.client.Store
	done := engine.ratchet.Take()
	defer done()
	if err := engine.vault.ForgetSenderKeys(engine.ctx, device.GetJID(), device.GetLID(), group); err != nil {
		engine.failed(err)
	}
}

// codeNotification answers the phone on which a code was typed, or says that the code is void.
func (one *login) codeNotification(node *waBinary.Node) {
	child := node.GetChildByTag("link_code_companion_reg")
	if outcome.Text(child.Attrs["stage"]) == "refresh_code" {
		one.engine.pipe.Tell("code_void", nil, nil)
		return
	}
	go one.client.CodePairingNotification(one.engine.ctx, node)
}

func (one *login) mexNotification(node *waBinary.Node) (deliveries []<-chan pipe.Answer) {
	for _, update := range node.GetChildrenByTag("update") {
		if content, ok := update.Content.([]byte); ok {
			fields := pipe.Fields{"op_name": outcome.Text(update.Attrs["op_name"]), "at": outcome.Number(node.Attrs["t"])}
			deliveries = append(deliveries, one.deliver("mex", fields, content))
		}
	}
	return deliveries
}

// changedStates acknowledges that collections changed once their changes are stored.
//
// A notification whose states cannot be read is acknowledged all the same: a patch that lacks a key is fetched when the phone shares it.
func (one *login) changedStates(node *waBinary.Node, answer func()) {
	var names []appstate.WAPatchName
	for _, collection := range node.GetChildrenByTag("collection") {
		names = append(names, appstate.WAPatchName(outcome.Text(collection.Attrs["name"])))
	}
	one.states.Look(one.engine.ctx, func(err error) {
		if !errors.Is(err, accountstate.ErrNotStored) && one.connected.Load() && one.engine.sound() == nil {
			answer()
		}
	}, names...)
}

// deliverState hands changes of the account's state to the actor, unless the login ends before they are committed.
func (one *login) deliverState(fields pipe.Fields, raw []byte) (pipe.Fields, error) {
	return one.committed("app_state", fields, raw)
}

// committed returns the answer to a delivery, unless the login ends before the actor commits it.
func (one *login) committed(kind string, fields pipe.Fields, raw []byte) (pipe.Fields, error) {
	select {
	case answer := <-one.deliver(kind, fields, raw):
		return answer.Fields, answer.Err
	case <-one.over:
		return nil, outcome.NotConnected
	}
}

func tags(node *waBinary.Node) []string {
	found := []string{}
	for _, child := range node.GetChildren() {
		found = append(found, child.Tag)
	}
	return found
}

// call hands calls that ring, or are over, to the actor.
func (one *login) call(node *waBinary.Node) {
	var deliveries []<-chan pipe.Answer
	for _, each := range headers.Calls(node) {
		deliveries = append(deliveries, one.deliver("call", each, nil))
	}
	one.stored(func() { one.client.Acknowledge(one.engine.ctx, node, 0) }, deliveries...)
}

// mediaRetried delivers the phone's answer about a file, still encrypted under the file's key.
func (one *login) mediaRetried(event *events.MediaRetry) {
	fields := pipe.Fields{
		"chat": event.ChatID.String(), "sender": event.SenderID.String(), "message_id": event.MessageID,
		"from_me": event.FromMe, "iv": hex.EncodeToString(event.IV), "at": event.Timestamp.Unix(),
	}
	if event.Error != nil {
		fields["error"] = event.Error.Code
	}
	one.collected = append(one.collected, one.deliver("media_retried", fields, event.Ciphertext))
}
