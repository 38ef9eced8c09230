// Calls the whatsmeow library's private methods, each with a test that fails where its public calls take its place.

package library

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/appstate"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
)

// Pair stores the device that a phone linked, then confirms it to the server.
//
// The library's own handler of <pair-success> runs beside the caller and disconnects by itself where this fails. That
// clears the socket's callback without the socket's lock: where the server closes the socket at the same moment, what has
// just been cleared may be called, which ends the program (TestPairingsThatFailEndTheirLoginAlone).
func (c *Client) Pair(ctx context.Context, id string, linked Linked) error {
	return c.inner.HandlePair(
		ctx, linked.identity, id, linked.Business, linked.Platform, linked.JID, linked.LID,
	)
}

// DeviceNotification handles changed devices of others. By one that is made up, a list is asked for anew: nothing else drops one
// (TestDevicesThatTheServerKnowsBesidesAreReached).
func (c *Client) DeviceNotification(ctx context.Context, node *waBinary.Node) {
	c.inner.HandleDeviceNotification(ctx, node)
}

// Reinstallation forgets the sessions and the identity of somebody who installed WhatsApp anew. The library's loop acknowledges it
// first, and forgets them beside messages that follow, which began the next session.
func (c *Client) Reinstallation(ctx context.Context, node *waBinary.Node) {
	c.inner.HandleEncryptNotification(ctx, node)
}

// PrivacyTokenNotification stores a token that somebody issued to the account, without which messages to them may be refused. The
// library's loop acknowledges it first (TestPrivacyTokensOfHistoriesAndNotificationsAreUsed).
func (c *Client) PrivacyTokenNotification(ctx context.Context, node *waBinary.Node) {
	c.inner.HandlePrivacyTokenNotification(ctx, node)
}

// GroupNotification reads a change of a group, and keeps the library's cache of members true. The library's own handler acknowledges
// it first (TestReceiptsAndGroupChangesAreStoredBeforeAnAnswer).
func (c *Client) GroupNotification(ctx context.Context, node *waBinary.Node) (any, error) {
	change, pairs, phones, err := c.inner.ParseGroupNotification(node)
	if err != nil {
		return nil, err
	}
	if err := c.Store.LIDs.PutManyLIDMappings(ctx, pairs); err != nil {
		return nil, err
	}
	return change, c.Store.Contacts.PutManyRedactedPhones(ctx, phones)
}

// Messages: the library's own handlers acknowledge them before what follows from them is stored
// (TestMessageIsReceiptedOnceItIsStored, TestPlaceholderIsStoredBeforeAnAnswer, TestKillAtAnyMomentLosesNothing).

// ParseMessage reads the envelope of a message.
func (c *Client) ParseMessage(node *waBinary.Node) (*types.MessageInfo, error) {
	return c.inner.ParseMessageInfo(node)
}

// ParseReceipt reads a receipt; the second value are the parts of one for several messages or persons
// (TestReceiptsAndGroupChangesAreStoredBeforeAnAnswer).
func (c *Client) ParseReceipt(node *waBinary.Node) (*events.Receipt, []waBinary.Node, error) {
	return c.inner.ParseReceipt(node)
}

// DecryptDirect decrypts a part for this device; ratchet and plaintext are one transaction.
//
// A message that is not authentic is refused before the library tries it, by ErrForged
// (TestForgeriesAreRefusedBeforeTheLibraryTriesThem).
func (c *Client) DecryptDirect(
	ctx context.Context, part *waBinary.Node, from types.JID, first bool, at time.Time,
) ([]byte, *[32]byte, error) {
	ctx, err := c.refuseForgeries(ctx, part, from, first)
	if err == nil {
		ctx, err = c.early(ctx, part, from)
	}
	if err != nil {
		return nil, nil, err
	}
	return c.inner.DecryptDM(ctx, part, from, first, at)
}

// DecryptGroup decrypts a part for a group; ratchet and plaintext are one transaction.
//
// A message that is not authentic, or too far ahead, is refused before the library tries it, by ErrForged
// (TestForgeriesOfAGroupAreRefusedBeforeTheLibraryTriesThem).
func (c *Client) DecryptGroup(
	ctx context.Context, part *waBinary.Node, from, chat types.JID, at time.Time,
) ([]byte, *[32]byte, error) {
	ctx, err := c.refuseGroupForgeries(ctx, part, from, chat)
	if err == nil {
		ctx, err = c.early(ctx, part, from)
	}
	if err != nil {
		return nil, nil, err
	}
	return c.inner.DecryptGroupMsg(ctx, part, from, chat, at)
}

// MigrateSession moves sessions of a number to its LID; what fails is tried with the next message.
func (c *Client) MigrateSession(ctx context.Context, number, lid types.JID) {
	_ = c.Store.Sessions.MigratePNToLID(ctx, number, lid)
}

// TakeSenderKey stores the key with which a member encrypts for a group (TestGroupsAreWrittenToAndRead): the message that brings it is
// not handled by the library.
func (c *Client) TakeSenderKey(ctx context.Context, info *types.MessageInfo, key *waE2E.SenderKeyDistributionMessage) {
	c.inner.ProcessProtocolParts(ctx, info, &waE2E.Message{SenderKeyDistributionMessage: key})
}

// LearnMigration stores the LIDs that the phone tells (test_an_account_that_migrates_goes_by_lid).
func (c *Client) LearnMigration(ctx context.Context, info *types.MessageInfo, mapping *waE2E.LIDMigrationMappingSyncMessage) {
	part := *info
	part.Category = "" // its receipt is sent once the message is stored (TestKeysAreStoredBeforeTheyAreReceipted)
	c.inner.ProcessProtocolParts(ctx, &part, &waE2E.Message{
		ProtocolMessage: &waE2E.ProtocolMessage{LidMigrationMappingSyncMessage: mapping},
	})
}

// LearnHistory stores what the library itself needs of a history: addresses, secrets and tokens. It is as one that comes inline,
// decompressed already.
func (c *Client) LearnHistory(ctx context.Context, history []byte) error {
	var inline bytes.Buffer
	writer, err := zlib.NewWriterLevel(&inline, zlib.NoCompression)
	if err == nil {
		_, err = writer.Write(history)
	}
	if err == nil {
		err = writer.Close()
	}
	if err == nil {
		_, err = c.DownloadHistorySync(ctx, &waE2E.HistorySyncNotification{
			InitialHistBootstrapInlinePayload: inline.Bytes(),
		}, true)
	}
	return err
}

// Answers to stanzas.

// Acknowledge sends an ack, or with a number a nack (TestReceiptsAndGroupChangesAreStoredBeforeAnAnswer).
func (c *Client) Acknowledge(ctx context.Context, node *waBinary.Node, number int) {
	c.inner.SendAck(ctx, node, number)
}

// Deliver sends the delivery receipt of a message (TestMessageIsReceiptedOnceItIsStored).
func (c *Client) Deliver(ctx context.Context, info *types.MessageInfo, node *waBinary.Node) {
	c.inner.SendMessageReceipt(ctx, info, node)
}

// AskAgain sends a retry receipt, four times for one message at most. The first one has keys for a new session where
// `keys` says so, the others always (TestRestoredCopyHasEachPersonBeginOneSession, TestUndecryptableMessageIsAskedForAgain).
func (c *Client) AskAgain(ctx context.Context, node *waBinary.Node, info *types.MessageInfo, keys bool) {
	c.inner.SendRetryReceipt(ctx, node, info, keys)
}

// LacksKeys returns whether a retry receipt is answered over a new session for which it brings no keys.
func (c *Client) LacksKeys(ctx context.Context, receipt *events.Receipt, node *waBinary.Node) bool {
	if _, brings := node.GetOptionalChildByTag("keys"); brings {
		return false
	}
	retry := node.GetChildByTag("retry")
	met, err := c.Store.ContainsSession(ctx, receipt.Sender.SignalAddress())
	return err == nil && (!met || retry.AttrGetter().OptionalInt("count") > 1)
}

// WithKeys returns a retry receipt with keys of its sender, as one brings them by itself. It asks WhatsApp, before the turn of
// the ratchet (TestReceivingDoesNotWaitForTheKeysOfAResend); a sender without keys gets a receipt without any.
func (c *Client) WithKeys(ctx context.Context, receipt *waBinary.Node, sender types.JID) (*waBinary.Node, error) {
	answer, err := c.Query(ctx, whatsmeow.DangerousInfoQuery{
		Namespace: "encrypt", Type: "get", To: types.ServerJID, Content: []waBinary.Node{{Tag: "key", Content: []waBinary.Node{
			{Tag: "user", Attrs: waBinary.Attrs{"jid": sender, "reason": "identity"}},
		}}},
	})
	if err != nil {
		return nil, err
	}
	user := answer.GetChildByTag("list", "user")
	whole := *receipt
	children := []waBinary.Node{user.GetChildByTag("registration"), {Tag: "keys", Content: user.GetChildren()}}
	for _, child := range receipt.GetChildren() {
		if child.Tag != "registration" {
			children = append(children, child)
		}
	}
	whole.Content = children
	return &whole, nil
}

// AnswerRetry encrypts and sends a message again for the device that could not read it; one call at a time, in the turn of
// the ratchet. It asks WhatsApp for keys where LacksKeys holds. The library's own handler acknowledges the request first
// (TestRetryReceiptWhoseAnswerFailedComesAgain).
func (c *Client) AnswerRetry(
	ctx context.Context, receipt *events.Receipt, node *waBinary.Node, content *waE2E.Message,
) error {
	c.GetMessageForRetry = func(types.JID, types.JID, types.MessageID) *waE2E.Message { return content }
	return c.inner.HandleRetryReceipt(ctx, receipt, node)
}

// Reach sends a message to a device with which there is a session, as if it had asked for it; `edit` is that of its stanza, nil
// of most (TestDevicesOfMembersThatTheServerKnowsBesidesAreReached). The turn of the ratchet is held.
func (c *Client) Reach(
	ctx context.Context, chat, device types.JID, id types.MessageID, content *waE2E.Message, edit any,
) error {
	session := device
	if lid, err := c.Store.LIDs.GetLIDForPN(ctx, device); err == nil && !lid.IsEmpty() && device.Server == types.DefaultUserServer {
		session = lid // the library looks for one by the address of the request
	}
	receipt := &events.Receipt{MessageIDs: []types.MessageID{id}, MessageSource: types.MessageSource{
		Chat: chat, Sender: session, IsFromMe: c.Owns(device), IsGroup: chat.Server == types.GroupServer,
	}}
	node := &waBinary.Node{Tag: "receipt", Attrs: waBinary.Attrs{"from": device}, Content: []waBinary.Node{
		{Tag: "retry", Attrs: waBinary.Attrs{"id": id, "t": strconv.FormatInt(time.Now().Unix(), 10), "count": "1"}},
	}}
	switch {
	case receipt.IsGroup:
		node.Attrs["from"], node.Attrs["participant"] = chat, device
	case receipt.IsFromMe:
		node.Attrs["recipient"] = chat
	}
	if edit != nil {
		node.Attrs["edit"] = edit
	}
	if c.LacksKeys(ctx, receipt, node) {
		return whatsmeow.ErrNoSession
	}
	again, _ := proto.Clone(content).(*waE2E.Message)
	return c.AnswerRetry(ctx, receipt, node, again)
}

// MembersOf returns the members of a group and how they are addressed, from the library's cache: no public call reads that
// (TestRecipientsAreNotedBeforeAMessageOfAGroupLeaves, TestWhatTheLibraryKnowsLastsAcrossLogins).
//
// The library asks for a group that it does not know under the lock that changes of groups take as they come in: so that
// those do not wait, the group is asked for before.
func (c *Client) MembersOf(ctx context.Context, group types.JID) ([]types.JID, types.AddressingMode, error) {
	if _, asked := c.groups.Load(group); !asked {
		if _, err := c.GetGroupInfo(ctx, group); err != nil {
			return nil, "", err
		}
		c.groups.Store(group, nil)
	}
	data, err := c.inner.GetCachedGroupData(ctx, group)
	if err != nil {
		return nil, "", err
	}
	return slices.Clone(data.Members), data.AddressingMode, nil // the library changes them in their place
}

// SendStanza writes a stanza to the socket: the request for a batch of what waits (conformance, `offline`), and the presence of an
// account whose name is not known yet (TestNameOfTheAccountIsToldOnceItIsKnown).
func (c *Client) SendStanza(ctx context.Context, node waBinary.Node) error {
	return c.inner.SendNode(ctx, node)
}

// Query sends an info query and returns its answer: changes of the app state that are stored before the library knows them
// (TestStateOfTheAccountComesAndGoes), keys for a resend (TestReceivingDoesNotWaitForTheKeysOfAResend), a group that an admin has to let
// one in.
func (c *Client) Query(ctx context.Context, query whatsmeow.DangerousInfoQuery) (*waBinary.Node, error) {
	return c.inner.SendIQ(ctx, query)
}

// Mex sends a GraphQL query of the actor's and returns the JSON of its answer (TestLimitsAreAskedForAndTold).
func (c *Client) Mex(ctx context.Context, query string, variables any) (json.RawMessage, error) {
	return c.inner.SendMexIQ(ctx, query, variables)
}

// Ping returns whether the server answered a ping.
func (c *Client) Ping(ctx context.Context) bool {
	_, err := c.Query(ctx, whatsmeow.DangerousInfoQuery{
		Namespace: "w:p", Type: "get", To: types.ServerJID, Timeout: whatsmeow.KeepAliveResponseDeadline, NoRetry: true,
	})
	return err == nil
}

// MediaHosts returns where files are, and the token for it, for the actor's own transfers (TestRequestsOfTheAccount).
func (c *Client) MediaHosts(ctx context.Context, fresh bool) (*whatsmeow.MediaConn, error) {
	return c.inner.RefreshMediaConn(ctx, fresh)
}

// App state: the library stores a version before its changes are handed on (TestStateComesAgainUntilItIsStored).

// Patches fetches changes of a collection since a version, or all of it.
func (c *Client) Patches(
	ctx context.Context, name appstate.WAPatchName, since uint64, whole bool,
) (*appstate.PatchList, error) {
	return c.inner.FetchAppStatePatches(ctx, name, since, whole)
}

// LearnChanges stores what the library itself needs of changes: own name, contacts, salts.
func (c *Client) LearnChanges(
	ctx context.Context, name appstate.WAPatchName, changes []appstate.Mutation, whole bool,
) error {
	return c.inner.CollectEventsToDispatch(ctx, name, changes, whole, nil)
}
