// Calls the whatsmeow library's private methods, each with the reason for its use; no other file does.

package library

// All uses of the library's private methods are in this file, each with the reason for it.

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/appstate"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"go.mau.fi/whatsmeow/util/keys"
)

// The connection: a socket with another address, one login each.

func (client *Client) handshake(frames *socket.FrameSocket) (<-chan *waBinary.Node, error) {
	return client.inner.DoHandshake(frames, *keys.NewKeyPair())
}

func (client *Client) keepAlive(ctx, connection context.Context) {
	client.inner.KeepAliveLoop(ctx, connection)
}

func (client *Client) expectConnection() { client.inner.ResetExpectedDisconnect() }

// ExpectEnd has requests of the library that wait end at once when the socket closes.
func (client *Client) ExpectEnd() { client.inner.ExpectDisconnect() }

// Stanzas that the library handles as the engine wants it; none of these acknowledges anything.

// ConnectSuccess handles <success>: prekeys, then the device is active and Connected is dispatched.
func (client *Client) ConnectSuccess(ctx context.Context, node *waBinary.Node) {
	client.inner.HandleConnectSuccess(ctx, node)
}

// PairingOffer handles <pair-device>: it dispatches the texts of QRs.
func (client *Client) PairingOffer(ctx context.Context, node *waBinary.Node) {
	client.inner.HandlePairDevice(ctx, node)
}

// Pair stores the device that a phone linked, then confirms it to the server.
//
// The library's own handler of <pair-success> runs beside the caller and disconnects by itself where this fails. That
// clears the socket's callback without the socket's lock: where the server closes the socket at the same moment, what has
// just been cleared may be called, which ends the program.
func (client *Client) Pair(ctx context.Context, id string, linked Linked) error {
	err := client.inner.HandlePair(
		ctx, linked.identity, id, linked.Business, linked.Platform, linked.JID, linked.LID,
	)
	if err == nil {
		client.inner.SendUnifiedSession()
	}
	return err
}

// ChatState dispatches that somebody types.
func (client *Client) ChatState(ctx context.Context, node *waBinary.Node) {
	client.inner.HandleChatState(ctx, node)
}

// PresenceStanza dispatches that somebody is there.
func (client *Client) PresenceStanza(ctx context.Context, node *waBinary.Node) {
	client.inner.HandlePresence(ctx, node)
}

// EncryptNotification handles lacking prekeys and changed identities.
func (client *Client) EncryptNotification(ctx context.Context, node *waBinary.Node) {
	client.inner.HandleEncryptNotification(ctx, node)
}

// AccountNotification handles changed devices and privacy settings of the account.
func (client *Client) AccountNotification(ctx context.Context, node *waBinary.Node) {
	client.inner.HandleAccountSyncNotification(ctx, node)
}

// DeviceNotification handles changed devices of others.
func (client *Client) DeviceNotification(ctx context.Context, node *waBinary.Node) {
	client.inner.HandleDeviceNotification(ctx, node)
}

// PrivacyTokenNotification stores a token that somebody issued to the account.
func (client *Client) PrivacyTokenNotification(ctx context.Context, node *waBinary.Node) {
	client.inner.HandlePrivacyTokenNotification(ctx, node)
}

// MediaRetryNotification dispatches the phone's answer about a file.
func (client *Client) MediaRetryNotification(ctx context.Context, node *waBinary.Node) {
	client.inner.HandleMediaRetryNotification(ctx, node)
}

// CodePairingNotification answers the phone on which a code was typed.
func (client *Client) CodePairingNotification(ctx context.Context, node *waBinary.Node) {
	client.inner.TryHandleCodePairNotification(ctx, node)
}

// PasskeyNotification dispatches a passkey's challenge.
func (client *Client) PasskeyNotification(ctx context.Context, node *waBinary.Node) {
	client.inner.HandlePasskeyNotification(ctx, node)
}

// PasskeyContinuation dispatches the code that the phone shows.
func (client *Client) PasskeyContinuation(ctx context.Context, node *waBinary.Node) {
	client.inner.TryHandlePasskeyContinuationNotification(ctx, node)
}

// GroupNotification reads a change of a group, and keeps the library's cache of members true.
func (client *Client) GroupNotification(ctx context.Context, node *waBinary.Node) (any, error) {
	change, pairs, phones, err := client.inner.ParseGroupNotification(node)
	if err != nil {
		return nil, err
	}
	if err := client.Store.LIDs.PutManyLIDMappings(ctx, pairs); err != nil {
		return nil, err
	}
	return change, client.Store.Contacts.PutManyRedactedPhones(ctx, phones)
}

// Messages: the library acknowledges them before what follows from them is stored.

// ParseMessage reads the envelope of a message.
func (client *Client) ParseMessage(node *waBinary.Node) (*types.MessageInfo, error) {
	return client.inner.ParseMessageInfo(node)
}

// ParseReceipt reads a receipt; the second value are the parts of one for several messages or persons.
func (client *Client) ParseReceipt(node *waBinary.Node) (*events.Receipt, []waBinary.Node, error) {
	return client.inner.ParseReceipt(node)
}

// DecryptDirect decrypts a part for this device; ratchet and plaintext are one transaction.
//
// A message that is not authentic is refused before the library tries it, by ErrForged.
func (client *Client) DecryptDirect(
	ctx context.Context, part *waBinary.Node, from types.JID, first bool, at time.Time,
) ([]byte, *[32]byte, error) {
	ctx, err := client.refuseForgeries(ctx, part, from, first)
	if err == nil {
		ctx, err = client.early(ctx, part, from)
	}
	if err != nil {
		return nil, nil, err
	}
	return client.inner.DecryptDM(ctx, part, from, first, at)
}

// DecryptGroup decrypts a part for a group; ratchet and plaintext are one transaction.
//
// A message that is not authentic, or too far ahead, is refused before the library tries it, by ErrForged.
func (client *Client) DecryptGroup(
	ctx context.Context, part *waBinary.Node, from, chat types.JID, at time.Time,
) ([]byte, *[32]byte, error) {
	ctx, err := client.refuseGroupForgeries(ctx, part, from, chat)
	if err == nil {
		ctx, err = client.early(ctx, part, from)
	}
	if err != nil {
		return nil, nil, err
	}
	return client.inner.DecryptGroupMsg(ctx, part, from, chat, at)
}

// MigrateSession moves sessions of a number to its LID.
func (client *Client) MigrateSession(ctx context.Context, number, lid types.JID) {
	client.inner.MigrateSessionStore(ctx, number, lid)
}

// TakeSenderKey stores the key with which a member encrypts for a group.
func (client *Client) TakeSenderKey(ctx context.Context, chat, from types.JID, key []byte) {
	client.inner.HandleSenderKeyDistributionMessage(ctx, chat, from, key)
}

// LearnMigration stores the LIDs that the phone tells.
func (client *Client) LearnMigration(ctx context.Context, payload []byte) {
	client.inner.StoreLIDSyncMessage(ctx, payload)
}

// LearnHistory stores what the library itself needs of a history: addresses, secrets and tokens.
func (client *Client) LearnHistory(ctx context.Context, history *waHistorySync.HistorySync) error {
	if err := client.inner.StoreNCTSalt(ctx, history.GetNctSalt()); err != nil {
		return err
	}
	if pairs := history.GetPhoneNumberToLidMappings(); len(pairs) > 0 {
		client.inner.StoreHistoricalPNLIDMappings(ctx, pairs)
	}
	if conversations := history.GetConversations(); len(conversations) > 0 {
		client.inner.StoreHistoricalMessageSecrets(ctx, conversations)
	}
	if settings := history.GetGlobalSettings(); settings != nil {
		client.inner.StoreGlobalSettings(ctx, settings)
	}
	client.inner.StoreCompanionMetaNonce(ctx, history.GetCompanionMetaNonce())
	return nil
}

// Answers to stanzas.

// Acknowledge sends an ack, or with a number a nack.
func (client *Client) Acknowledge(ctx context.Context, node *waBinary.Node, number int) {
	client.inner.SendAck(ctx, node, number)
}

// Deliver sends the delivery receipt of a message.
func (client *Client) Deliver(ctx context.Context, info *types.MessageInfo, node *waBinary.Node) {
	client.inner.SendMessageReceipt(ctx, info, node)
}

// AskAgain sends a retry receipt, four times for one message at most. The first one has keys for a new session where
// `keys` says so, the others always.
func (client *Client) AskAgain(ctx context.Context, node *waBinary.Node, info *types.MessageInfo, keys bool) {
	client.inner.SendRetryReceipt(ctx, node, info, keys)
}

// AnswerRetry encrypts and sends a message again for the device that could not read it; one call at a time.
//
// The content is what `sent` returns, nil where the message was not sent to that device. An error of it is returned.
func (client *Client) AnswerRetry(
	ctx context.Context, receipt *events.Receipt, node *waBinary.Node,
	sent func(requester, chat types.JID, id types.MessageID) (*waE2E.Message, error),
) error {
	var failed error
	client.GetMessageForRetry = func(requester, chat types.JID, id types.MessageID) (message *waE2E.Message) {
		message, failed = sent(requester, chat, id)
		return message
	}
	err := client.inner.HandleRetryReceipt(ctx, receipt, node)
	if failed != nil {
		return failed
	}
	return err
}

// Sending: the library reports less of a send's outcome than is needed.

// SendStanza writes a stanza to the socket.
func (client *Client) SendStanza(ctx context.Context, node waBinary.Node) error {
	return client.inner.SendNode(ctx, node)
}

// AwaitAnswer returns a channel for the answer to the stanza with this id.
//
// It is never cancelled, since the library's cancelling closes a channel that may just be written to; at the
// end of the socket all are cleared.
func (client *Client) AwaitAnswer(id string) <-chan *waBinary.Node {
	return client.inner.WaitResponse(id)
}

// MembersOf returns the members of a group and how they are addressed, from the library's cache.
func (client *Client) MembersOf(ctx context.Context, group types.JID) ([]types.JID, types.AddressingMode, error) {
	data, err := client.inner.GetCachedGroupData(ctx, group)
	if err != nil {
		return nil, "", err
	}
	return slices.Clone(data.Members), data.AddressingMode, nil // the library changes them in their place
}

// Bundles fetches prekeys of devices; those that have none are not in the result.
func (client *Client) Bundles(ctx context.Context, devices []types.JID) map[types.JID]*prekey.Bundle {
	return client.inner.FetchPreKeysNoError(ctx, devices)
}

// MessageStanza encrypts a message for all devices of persons and returns its stanza with these devices.
func (client *Client) MessageStanza(
	ctx context.Context, to types.JID, id string, message *waE2E.Message, persons []types.JID, plain, own []byte,
) (*waBinary.Node, []types.JID, error) {
	var timings whatsmeow.MessageDebugTimings
	return withZero(client.inner.PrepareMessageNode)(ctx, to, id, named(message), persons, plain, own, &timings)
}

// named returns the message by which the library names the type of a stanza: it takes a poll with one choice for a text.
func named(message *waE2E.Message) *waE2E.Message {
	if poll := message.GetPollCreationMessageV3(); poll != nil {
		return &waE2E.Message{PollCreationMessage: poll}
	}
	return message
}

// withZero fills the last parameter, whose type has no name outside of the library.
func withZero[Extra any](prepare func(
	context.Context, types.JID, types.MessageID, *waE2E.Message, []types.JID, []byte, []byte,
	*whatsmeow.MessageDebugTimings, Extra,
) (*waBinary.Node, []types.JID, error)) func(
	context.Context, types.JID, string, *waE2E.Message, []types.JID, []byte, []byte,
	*whatsmeow.MessageDebugTimings,
) (*waBinary.Node, []types.JID, error) {
	return func(
		ctx context.Context, to types.JID, id string, message *waE2E.Message, persons []types.JID,
		plain, own []byte, timings *whatsmeow.MessageDebugTimings,
	) (*waBinary.Node, []types.JID, error) {
		var nothing Extra
		return prepare(ctx, to, id, message, persons, plain, own, timings, nothing)
	}
}

// EncryptFor encrypts for these devices; the second value says whether the device's identity belongs along.
func (client *Client) EncryptFor(
	ctx context.Context, devices []types.JID, id string, plain, own []byte, attrs waBinary.Attrs,
) ([]waBinary.Node, bool, error) {
	return client.inner.EncryptMessageForDevices(ctx, devices, id, plain, own, attrs)
}

// Identity returns the node with which a device proves whose it is.
func (client *Client) Identity() waBinary.Node { return client.inner.MakeDeviceIdentityNode() }

// PeerStanza encrypts a message for the account's own phone.
func (client *Client) PeerStanza(
	ctx context.Context, to types.JID, id string, message *waE2E.Message,
) (*waBinary.Node, error) {
	return client.inner.PreparePeerMessageNode(ctx, to, id, message, &whatsmeow.MessageDebugTimings{})
}

// PrivacyToken returns the token that a person issued to the account, nil without one.
func (client *Client) PrivacyToken(ctx context.Context, person types.JID) ([]byte, error) {
	return client.inner.EnsureTCToken(ctx, person)
}

// FallbackToken returns the token that takes the place of a privacy token, nil where it cannot be made.
func (client *Client) FallbackToken(ctx context.Context, person types.JID) []byte {
	return client.inner.GenerateCsToken(ctx, person)
}

// LastIssued returns the address under which a person's token is kept, and when one was issued to them.
func (client *Client) LastIssued(ctx context.Context, person types.JID) (types.JID, time.Time) {
	kept := client.inner.ResolveTCTokenStorageLID(ctx, person)
	return kept, client.inner.GetTCTokenSenderTS(kept)
}

// IssueToken issues a privacy token to a person.
func (client *Client) IssueToken(person types.JID, at time.Time) {
	client.inner.IssuePrivacyTokenAndSave(person, at)
}

// Requests.

// Query sends an info query and returns its answer.
func (client *Client) Query(ctx context.Context, query whatsmeow.DangerousInfoQuery) (*waBinary.Node, error) {
	return client.inner.SendIQ(ctx, query)
}

// Mex sends a GraphQL query and returns the JSON of its answer.
func (client *Client) Mex(ctx context.Context, query string, variables any) (json.RawMessage, error) {
	return client.inner.SendMexIQ(ctx, query, variables)
}

// Ping returns whether the server answered a ping.
func (client *Client) Ping(ctx context.Context) bool {
	answered, _ := client.inner.SendKeepAlive(ctx)
	return answered
}

// MediaHosts returns where files are, and the token for it.
func (client *Client) MediaHosts(ctx context.Context, fresh bool) (*whatsmeow.MediaConn, error) {
	return client.inner.RefreshMediaConn(ctx, fresh)
}

// UploadPreKeys uploads fresh prekeys.
func (client *Client) UploadPreKeys(ctx context.Context) { client.inner.UploadPreKeys(ctx, false) }

// App state: the library stores a version before its changes are handed on.

// Patches fetches changes of a collection since a version, or all of it.
func (client *Client) Patches(
	ctx context.Context, name appstate.WAPatchName, since uint64, whole bool,
) (*appstate.PatchList, error) {
	return client.inner.FetchAppStatePatches(ctx, name, since, whole)
}

// LearnChanges stores what the library itself needs of changes: own name, contacts, salts.
func (client *Client) LearnChanges(
	ctx context.Context, name appstate.WAPatchName, changes []appstate.Mutation, whole bool,
) error {
	return client.inner.CollectEventsToDispatch(ctx, name, changes, whole, nil)
}
