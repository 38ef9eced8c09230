// Sends an acknowledged message to devices that the server knows and that the cached lists lacked.

package sending

import (
	"context"
	"errors"
	"maps"
	"slices"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// reachMissed sends a message to devices that the server knows and the cached lists did not: of a group's, each gets it
// by itself, as the answer to a retry receipt, so that nobody gets it twice.
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
	fresh, err := one.Client.GetUserDevices(ctx, mail.persons)
	if err != nil {
		log.Warnf("devices could not be asked for")
		return
	}
	if mail.shared != nil {
		fresh = withoutHosted(fresh)
	}
	missed := one.without(fresh, mail.reached)
	together := max(len(missed), 1)
	if mail.shared != nil {
		together = 1
	}
	for devices := range slices.Chunk(missed, together) {
		seal := func(ctx context.Context) (*waBinary.Node, error) { return one.sealMissed(ctx, mail, devices) }
		answer, err := one.leave(mail, seal)
		if err == nil {
			_, err = one.acknowledged(answer, mail.within)
		}
		if err != nil {
			log.Warnf("devices could not be reached")
		}
	}
}

// errNoKeys says that there is no session with a device, and none can be made.
var errNoKeys = errors.New("no keys")

// sealMissed encrypts a message for missed devices: of a group's for one, with the key for what follows.
func (one *Sender) sealMissed(ctx context.Context, mail *letter, devices []types.JID) (*waBinary.Node, error) {
	plain, enc := mail.plain, maps.Clone(mail.enc)
	if mail.shared != nil {
		key, err := one.senderKey(ctx, mail.to)
		if err != nil {
			return nil, err
		}
		plain = slices.Concat(plain, key) // bytes of two messages are one with the fields of both
		if mail.media != "" {
			enc = waBinary.Attrs{"mediatype": mail.media}
			maps.Copy(enc, mail.enc)
		}
	}
	parts, identity, err := one.Client.EncryptFor(ctx, devices, mail.id, plain, mail.own, enc)
	if err != nil || len(parts) == 0 {
		return nil, errNoKeys
	}
	// An empty list of persons makes the same stanza without anybody to encrypt for.
	node, _, err := one.Client.MessageStanza(ctx, mail.to, mail.id, mail.message, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	children := []waBinary.Node{{Tag: "participants", Content: parts}}
	if mail.shared != nil {
		children = parts[0].GetChildren()
		node.Attrs["participant"] = devices[0]
		if mail.mode == types.AddressingModeLID {
			node.Attrs["addressing_mode"] = string(mail.mode)
		}
	} else {
		node.Attrs["device_fanout"] = "false"
	}
	if identity {
		children = append(children, one.Client.Identity())
	}
	for _, child := range node.GetChildren() {
		if child.Tag != "participants" && child.Tag != "device-identity" {
			children = append(children, child)
		}
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
