// Sends an acknowledged message to devices that the server knows and that the cached lists lacked.

package sending

import (
	"context"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// reachMissed sends a message to devices that the server knows and the cached lists did not.
//
// The message is acknowledged already: a failure is none of the send's, and the lists are fresh for the next one. A
// kill before the end has the message go again under its id.
func (one *Sender) reachMissed(ctx context.Context, mail *letter) {
	log := one.Log
	if mail.shared != nil {
		if _, err := one.Client.GetGroupInfo(ctx, mail.to); err != nil || one.grouped(ctx, mail) != nil {
			log.Warnf("members of a group could not be asked for or noted")
			return
		}
	}
	one.forgetDevices(ctx, mail.persons)
	answer, err := one.leave(mail, func(ctx context.Context) (*waBinary.Node, error) { return one.sealMissed(ctx, mail) })
	if err == errNobodyMissed {
		return
	}
	if err == nil {
		_, err = one.acknowledged(answer, mail.within)
	}
	if err != nil {
		log.Warnf("devices could not be reached")
	}
}

var errNobodyMissed = &nobodyMissed{}

type nobodyMissed struct{}

func (*nobodyMissed) Error() string { return "nobody was missed" }

func (one *Sender) sealMissed(ctx context.Context, mail *letter) (*waBinary.Node, error) {
	fresh, err := one.Client.GetUserDevices(ctx, mail.persons)
	if err != nil {
		return nil, err
	}
	if mail.shared != nil {
		fresh = withoutHosted(fresh)
	}
	missed := one.without(fresh, mail.reached)
	if len(missed) == 0 {
		return nil, errNobodyMissed
	}
	plain := mail.plain
	if mail.shared != nil {
		if plain, err = one.sealShared(ctx, mail); err != nil {
			return nil, err
		}
	}
	parts, identity, err := one.Client.EncryptFor(ctx, missed, mail.id, plain, mail.own, mail.enc)
	if err != nil || len(parts) == 0 {
		return nil, errNobodyMissed
	}
	// An empty list of persons makes the same stanza without anybody to encrypt for.
	node, _, err := one.Client.MessageStanza(ctx, mail.to, mail.id, mail.message, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	children := []waBinary.Node{{Tag: "participants", Content: parts}}
	if identity {
		children = append(children, one.Client.Identity())
	}
	for _, child := range node.GetChildren() {
		if child.Tag != "participants" && child.Tag != "device-identity" {
			children = append(children, child)
		}
	}
	if mail.shared != nil {
		node.Attrs["phash"] = participantHash(fresh)
		if mail.mode == types.AddressingModeLID {
			node.Attrs["addressing_mode"] = string(mail.mode)
		}
		children = append(children, *mail.shared)
	} else {
		node.Attrs["device_fanout"] = "false"
	}
	if !mail.number.IsEmpty() {
		node.Attrs["peer_recipient_pn"] = mail.number
	}
	node.Content = children
	return node, nil
}

func withoutHosted(devices []types.JID) (left []types.JID) {
	for _, device := range devices {
		if device.Server != types.HostedServer && device.Server != types.HostedLIDServer {
			left = append(left, device)
		}
	}
	return left
}

// forgetDevices has the library ask for the devices of persons anew; it drops a list only when a notification says that
// one changed.
func (one *Sender) forgetDevices(ctx context.Context, persons []types.JID) {
	for _, person := range persons {
		one.Client.DeviceNotification(ctx, &waBinary.Node{
			Tag: "notification", Attrs: waBinary.Attrs{"from": person.ToNonAD(), "type": "devices"},
			Content: []waBinary.Node{{Tag: "update", Attrs: waBinary.Attrs{"device_hash": ""}}},
		})
	}
}
