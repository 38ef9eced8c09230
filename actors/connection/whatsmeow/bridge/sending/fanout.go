// Encrypts a message for all devices of its recipients, and once for a group under the sender key.

package sending

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"go.mau.fi/libsignal/groups"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/util/random"
	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// participantHash is the hash of devices by which client and server compare their lists.
func participantHash(devices []types.JID) string {
	names := make([]string, len(devices))
	for index, device := range devices {
		names[index] = device.ADString()
	}
	slices.Sort(names)
	sum := sha256.Sum256([]byte(strings.Join(names, "")))
	return "2:" + base64.RawStdEncoding.EncodeToString(sum[:6])
}

// grouped addresses a message to the members of a group, once the actor keeps all of them as its recipients: a device
// of anybody else may not ask for it again.
func (one *Sender) grouped(ctx context.Context, mail *letter) error {
	members, mode, err := one.Client.MembersOf(ctx, mail.to)
	switch {
	case errors.Is(err, whatsmeow.ErrNotInGroup):
		return &pipe.Refusal{Code: "not_in_group", Permanent: true}
	case errors.Is(err, whatsmeow.ErrGroupNotFound):
		return &pipe.Refusal{Code: "unknown_group", Permanent: true}
	case err != nil:
		return outcome.Before(err)
	}
	mail.persons, mail.mode = members, mode
	hash := participantHash(members)
	if hash == mail.noted {
		return nil
	}
	if err := one.Note(mail.to, mail.id, members); err != nil {
		return err
	}
	mail.noted = hash
	return nil
}

// seal encrypts a message for all devices of its persons, those that failed at first once more.
func (one *Sender) seal(ctx context.Context, mail *letter) (*waBinary.Node, error) {
	plain := mail.plain
	if mail.to.Server == types.GroupServer {
		key, err := one.sealShared(ctx, mail)
		if err != nil {
			return nil, err
		}
		plain = key
	}
	node, devices, err := one.Client.MessageStanza(
		ctx, mail.to, mail.id, mail.message, mail.persons, plain, mail.own,
	)
	if err != nil {
		return nil, outcome.Before(err)
	}
	mail.devices, mail.reached = devices, targets(node)
	if mail.enc = partAttrs(node); mail.enc == nil && mail.media != "" && mail.own != nil {
		mail.enc = waBinary.Attrs{"mediatype": mail.media}
	}
	if err := one.sealLacking(ctx, mail, node, plain); err != nil {
		return nil, err
	}
	if !mail.number.IsEmpty() {
		node.Attrs["peer_recipient_pn"] = mail.number
	}
	if mail.shared != nil {
		node.Attrs["phash"] = participantHash(devices)
		if mail.mode == types.AddressingModeLID {
			node.Attrs["addressing_mode"] = string(mail.mode)
		}
		node.Content = append(node.GetChildren(), *mail.shared)
	} else {
		node.Content = append(node.GetChildren(), one.tokens(ctx, mail.to)...)
	}
	return node, nil
}

// sealLacking encrypts for devices that the library left out, which it only logs.
//
// A recipient whose own phone cannot be reached is refused: a copy for others would count as sent.
func (one *Sender) sealLacking(ctx context.Context, mail *letter, node *waBinary.Node, plain []byte) error {
	lacking := one.without(mail.devices, mail.reached)
	if len(lacking) == 0 {
		return nil
	}
	parts, identity, err := one.Client.EncryptFor(ctx, lacking, mail.id, plain, mail.own, mail.enc)
	if err != nil {
		return outcome.Before(err)
	}
	children := node.GetChildren()
	for index := range children {
		if children[index].Tag == "participants" {
			children[index].Content = append(children[index].GetChildren(), parts...)
		}
	}
	if _, has := node.GetOptionalChildByTag("device-identity"); identity && !has {
		node.Content = append(children, one.Client.Identity())
	}
	mail.reached = targets(node)
	for _, device := range one.without(lacking, mail.reached) {
		one.Log.Warnf("device cannot be encrypted for")
		if mail.shared == nil && device.ToNonAD() == mail.to && device.Device == 0 {
			return &pipe.Refusal{Code: "no_session"}
		}
	}
	if mail.shared == nil && !one.reaches(mail) {
		return &pipe.Refusal{Code: "no_devices"}
	}
	return nil
}

// reaches returns whether a device of the recipient gets the message.
func (one *Sender) reaches(mail *letter) bool {
	for device := range mail.reached {
		if device.User == mail.to.User {
			return true
		}
	}
	return mail.to.User == one.Client.Store.GetLID().User
}

// without returns the devices that are not among `these`, and not this one.
func (one *Sender) without(devices []types.JID, these map[types.JID]bool) (left []types.JID) {
	own, lid := one.Client.Store.GetJID(), one.Client.Store.GetLID()
	for _, device := range devices {
		if !these[device] && device != own && device != lid {
			left = append(left, device)
		}
	}
	return left
}

// sealShared encrypts a message once for the whole group, and returns the message that brings the key.
func (one *Sender) sealShared(ctx context.Context, mail *letter) ([]byte, error) {
	key, err := one.senderKey(ctx, mail.to)
	if err != nil {
		return nil, err
	}
	builder, name := one.ownKey(mail.to)
	sealed, err := groups.NewGroupCipher(builder, name, one.Client.Store).Encrypt(ctx, pad(mail.plain))
	if err != nil {
		return nil, &pipe.Refusal{Code: "encryption_failed"}
	}
	attrs := waBinary.Attrs{"v": "2", "type": "skmsg"}
	if mail.media != "" {
		attrs["mediatype"] = mail.media
	}
	shared, ok := sealed.(*protocol.SenderKeyMessage)
	if !ok {
		return nil, &pipe.Refusal{Code: "encryption_failed"}
	}
	mail.shared = &waBinary.Node{Tag: "enc", Attrs: attrs, Content: shared.SignedSerialize()}
	return key, nil
}

// senderKey returns the message that brings the key of a group for what is encrypted from now on, one that is made where
// there is none.
func (one *Sender) senderKey(ctx context.Context, group types.JID) ([]byte, error) {
	builder, name := one.ownKey(group)
	key, err := builder.Create(ctx, name)
	if err != nil {
		return nil, &pipe.Refusal{Code: "encryption_failed"}
	}
	return proto.Marshal(&waE2E.Message{SenderKeyDistributionMessage: &waE2E.SenderKeyDistributionMessage{
		GroupID: proto.String(group.String()), AxolotlSenderKeyDistributionMessage: key.Serialize(),
	}})
}

func (one *Sender) ownKey(group types.JID) (*groups.SessionBuilder, *protocol.SenderKeyName) {
	device := one.Client.Store
	return groups.NewGroupSessionBuilder(device, store.SignalProtobufSerializer),
		protocol.NewSenderKeyName(group.String(), device.GetLID().SignalAddress())
}

func pad(plain []byte) []byte {
	count := random.Bytes(1)[0]&0xf + 1
	padded := slices.Clone(plain)
	for range count {
		padded = append(padded, count)
	}
	return padded
}

// tokens are what the recipient's server takes as proof that the account may write.
func (one *Sender) tokens(ctx context.Context, person types.JID) []waBinary.Node {
	if token, err := one.Client.PrivacyToken(ctx, person); err == nil && len(token) > 0 {
		return []waBinary.Node{{Tag: "tctoken", Content: token}}
	}
	if token := one.Client.FallbackToken(ctx, person); len(token) > 0 {
		return []waBinary.Node{{Tag: "cstoken", Content: token}}
	}
	return nil
}

// targets are the devices that a stanza has a ciphertext for.
func targets(node *waBinary.Node) map[types.JID]bool {
	found := map[types.JID]bool{}
	participants := node.GetChildByTag("participants")
	for _, child := range participants.GetChildren() {
		if device, ok := child.Attrs["jid"].(types.JID); ok {
			found[device] = true
		}
	}
	return found
}

// partAttrs are the attributes that all encrypted parts of a stanza have; nil where it has none.
func partAttrs(node *waBinary.Node) waBinary.Attrs {
	part := node.GetChildByTag("participants", "to", "enc")
	if part.Tag != "enc" {
		return nil
	}
	attrs := waBinary.Attrs{}
	for name, value := range part.Attrs {
		if name != "v" && name != "type" {
			attrs[name] = value
		}
	}
	return attrs
}
