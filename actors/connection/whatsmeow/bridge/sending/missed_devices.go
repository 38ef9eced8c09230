// Sends an acknowledged message to devices that the server knows and that the cached lists lacked.

package sending

import (
	"context"
	"sync"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// mostAgreed is how many chats may be remembered whose participant hash stays different.
const mostAgreed = 1024

// Agreements are chats whose devices WhatsApp has another hash for than these lists, also after they were asked for anew. They
// last across logins.
type Agreements struct {
	lock  sync.Mutex
	known map[types.JID]agreement
}

// agreement is the hash of the devices that were listed last, and the one that WhatsApp has for them.
type agreement struct{ listed, expected string }

// holds returns whether asking for the devices of a chat brought nothing but this.
func (a *Agreements) holds(chat types.JID, found agreement) bool {
	a.lock.Lock()
	defer a.lock.Unlock()
	return a.known[chat] == found
}

func (a *Agreements) note(chat types.JID, found agreement) {
	a.lock.Lock()
	defer a.lock.Unlock()
	if a.known == nil || len(a.known) >= mostAgreed {
		a.known = map[types.JID]agreement{}
	}
	a.known[chat] = found
}

// reachMissed sends a message to devices that the server knows and the cached lists did not: each gets it by itself, as the answer to
// a retry receipt, so that nobody gets it twice. A hash that stays different after the lists were asked for anew counts what is not
// known here, and is not asked about again.
//
// The message is acknowledged already: a failure is none of the send's, and the lists are fresh for the next one. A
// kill before the end has the message go again under its id.
func (s *Sender) reachMissed(ctx context.Context, message *OutgoingMessage, listed, expected string) {
	if expected == "" || expected == listed || s.Agreements.holds(message.to, agreement{listed, expected}) {
		return
	}
	if message.isGroup() {
		if _, err := s.Client.GetGroupInfo(ctx, message.to); err != nil || s.addressGroup(ctx, message) != nil {
			s.Log.Warnf("members of a group could not be asked for or noted")
			return
		}
	}
	s.forgetDevices(ctx, message.persons)
	if s.meet(ctx, message) != nil {
		s.Log.Warnf("devices could not be asked for")
		return
	}
	s.Agreements.note(message.to, agreement{participantHash(message.devices), expected})
	own, lid := s.Client.Store.GetJID(), s.Client.Store.GetLID()
	for _, device := range message.devices {
		if message.reached[device] || device == own || device == lid {
			continue
		}
		if s.reach(ctx, message, device) != nil {
			s.Log.Warnf("a device could not be reached")
		}
	}
}

func (s *Sender) reach(ctx context.Context, message *OutgoingMessage, device types.JID) error {
	if message.isGroup() {
		defer s.Client.GroupTurn()()
	}
	defer s.Client.Ratchet.Take()()
	if err := s.mayLeave(); err != nil {
		return err
	}
	return s.Client.Reach(ctx, message.to, device, message.ID, message.content, message.edit)
}

// forgetDevices has the library ask for the devices of persons anew; it drops a list only when a notification says that
// one changed.
func (s *Sender) forgetDevices(ctx context.Context, persons []types.JID) {
	for _, person := range persons {
		s.Client.DeviceNotification(ctx, &waBinary.Node{
			Tag: "notification", Attrs: waBinary.Attrs{"from": person.ToNonAD(), "type": "devices"},
			Content: []waBinary.Node{{Tag: "update", Attrs: waBinary.Attrs{"device_hash": ""}}},
		})
	}
}
