// Builds the JSON headers by which the program describes groups and their changes to the connection's actor.

package headers

import (
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"teimoso-whatsmeow/pipe"
)

// GroupChange describes a change of a group: the new group, or what changed.
func GroupChange(change any) pipe.Fields {
	switch found := change.(type) {
	case *events.JoinedGroup:
		fields := Group(&found.GroupInfo)
		fields["change"] = "joined"
		return fields
	case *events.GroupInfo:
		fields := pipe.Fields{"change": "changed", "chat": found.JID.String(), "at": found.Timestamp.Unix()}
		if found.Sender != nil {
			fields["sender"] = found.Sender.String()
		}
		if found.Name != nil {
			fields["subject"] = found.Name.Name
		}
		if found.Ephemeral != nil {
			fields["timer"] = found.Ephemeral.DisappearingTimer
		}
		if found.Delete != nil {
			fields["deleted"] = true
		}
		for name, addresses := range map[string][]types.JID{
			"joined": found.Join, "left": found.Leave, "promoted": found.Promote, "demoted": found.Demote,
		} {
			if len(addresses) > 0 {
				fields[name] = addresses
			}
		}
		return fields
	default:
		return pipe.Fields{"change": "other"}
	}
}

// Group describes a group with its members, each by the address that it is written to.
func Group(group *types.GroupInfo) pipe.Fields {
	members := make([]pipe.Fields, len(group.Participants))
	for index, each := range group.Participants {
		members[index] = pipe.Fields{
			"address": each.JID.String(), "phone": each.PhoneNumber.String(), "lid": each.LID.String(),
			"admin": each.IsAdmin || each.IsSuperAdmin,
		}
	}
	return pipe.Fields{
		"chat": group.JID.String(), "subject": group.Name, "members": members,
		"addressing": string(group.AddressingMode), "timer": group.DisappearingTimer,
	}
}
