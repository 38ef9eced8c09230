// Builds the JSON headers by which the program describes groups and their changes to the connection's actor.

package headers

import (
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// GroupChange describes a change of a group by the notification and by the library's event of it.
func GroupChange(node *waBinary.Node, change any) pipe.Fields {
	fields := ofEvent(change)
	fields["notification"], fields["at"] = outcome.Text(node.Attrs["id"]), outcome.Number(node.Attrs["t"])
	for name, attribute := range map[string]string{"sender": "participant", "sender_phone": "participant_pn"} {
		if value := outcome.Text(node.Attrs[attribute]); value != "" {
			fields[name] = value
		}
	}
	for tag, name := range changes {
		if part, there := node.GetOptionalChildByTag(tag); there {
			fields[name] = numbers(part.GetChildrenByTag("participant"))
		}
	}
	// The library takes each approval mode for one that is on, and leaves the other out.
	if mode, there := node.GetOptionalChildByTag("membership_approval_mode"); there {
		join, stated := mode.GetOptionalChildByTag("group_join")
		fields["approval"] = !stated || outcome.Text(join.Attrs["state"]) != "off"
	}
	if mode, there := node.GetOptionalChildByTag("member_add_mode"); there {
		fields["member_add_mode"] = modes[text(mode.Content)]
	}
	return fields
}

// changes are the actor's words for what becomes of members.
var changes = map[string]string{"add": "joined", "remove": "left", "promote": "promoted", "demote": "demoted"}

// numbers returns the phone numbers of persons, the addresses that the group has where the stanza names no number. The
// library's event has the group's addresses alone.
func numbers(persons []waBinary.Node) []string {
	found := []string{}
	for _, each := range persons {
		address := outcome.Text(each.Attrs["phone_number"])
		if address == "" {
			address = outcome.Text(each.Attrs["jid"])
		}
		found = append(found, address)
	}
	return found
}

// modes are the actor's words for who adds members.
var modes = map[string]string{"all_member_add": "all", "admin_add": "admins"}

func text(content any) string {
	if raw, ok := content.([]byte); ok {
		return string(raw)
	}
	return outcome.Text(content)
}

// ofEvent describes the library's event: the new group, or what changed.
func ofEvent(change any) pipe.Fields {
	switch found := change.(type) {
	case *events.JoinedGroup:
		fields := Group(&found.GroupInfo)
		fields["change"] = "joined"
		return fields
	case *events.GroupInfo:
		fields := pipe.Fields{"change": "changed", "chat": found.JID.String()}
		if found.Name != nil {
			fields["subject"] = found.Name.Name
		}
		if found.Ephemeral != nil {
			fields["timer"] = found.Ephemeral.DisappearingTimer
		}
		if found.Topic != nil {
			fields["description"] = found.Topic.Topic
		}
		if found.Announce != nil {
			fields["announce"] = found.Announce.IsAnnounce
		}
		if found.Locked != nil {
			fields["locked"] = found.Locked.IsLocked
		}
		if found.Delete != nil {
			fields["deleted"] = true
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
		"description": group.Topic, "announce": group.IsAnnounce, "locked": group.IsLocked,
		"member_add_mode": string(group.MemberAddMode), "approval": group.IsJoinApprovalRequired,
	}
}
