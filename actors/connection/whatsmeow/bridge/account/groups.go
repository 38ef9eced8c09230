// Answers the actor's requests that change groups, and reads the answers of WhatsApp to them.

package account

import (
	"context"
	"strings"
	"time"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// CreateGroup creates a group, and returns it with the outcome for each person who was to be in it.
func (a *Account) CreateGroup(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Subject string      `json:"subject"`
		People  []types.JID `json:"people"`
	}
	if err := a.read(request, &wanted); err != nil {
		return nil, err
	}
	made, err := a.Client.CreateGroup(ctx, whatsmeow.ReqCreateGroup{Name: wanted.Subject, Participants: wanted.People})
	if err != nil {
		return nil, outcome.Of(err)
	}
	return pipe.Fields{"chat": made.JID.String(), "subject": made.Name, "people": people(made.Participants)}, nil
}

// SetGroup changes one setting of a group: the one that the request names.
func (a *Account) SetGroup(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Chat          types.JID `json:"chat"`
		Subject       *string   `json:"subject"`
		Description   *string   `json:"description"`
		Announce      *bool     `json:"announce"`
		Locked        *bool     `json:"locked"`
		Ephemeral     *int64    `json:"ephemeral"`
		MemberAddMode *string   `json:"member_add_mode"`
		Approval      *bool     `json:"approval"`
	}
	if err := a.read(request, &wanted); err != nil {
		return nil, err
	}
	client, chat := a.Client, wanted.Chat
	var err error
	switch {
	case wanted.Subject != nil:
		err = client.SetGroupName(ctx, chat, *wanted.Subject)
	case wanted.Description != nil:
		err = a.describe(ctx, chat, *wanted.Description)
	case wanted.Announce != nil:
		err = client.SetGroupAnnounce(ctx, chat, *wanted.Announce)
	case wanted.Locked != nil:
		err = client.SetGroupLocked(ctx, chat, *wanted.Locked)
	case wanted.Ephemeral != nil:
		timer := time.Duration(*wanted.Ephemeral) * time.Second
		err = client.SetDisappearingTimer(ctx, chat, timer, time.Time{})
	case wanted.MemberAddMode != nil:
		err = client.SetGroupMemberAddMode(ctx, chat, types.GroupMemberAddMode(*wanted.MemberAddMode))
	case wanted.Approval != nil:
		err = client.SetGroupJoinApprovalMode(ctx, chat, *wanted.Approval)
	}
	return nil, outcome.Of(err)
}

// describe changes the description; the library asks for the one before it, and hides the number of a refusal of that.
func (a *Account) describe(ctx context.Context, chat types.JID, text string) error {
	known, err := a.Client.GetGroupInfo(ctx, chat)
	if err != nil {
		return err
	}
	return a.Client.SetGroupTopic(ctx, chat, known.TopicID, "", text)
}

// ChangeMembers adds or removes members, or makes them admins or not; it returns the outcome for each.
func (a *Account) ChangeMembers(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Chat   types.JID                   `json:"chat"`
		Action whatsmeow.ParticipantChange `json:"action"`
		People []types.JID                 `json:"people"`
	}
	if err := a.read(request, &wanted); err != nil {
		return nil, err
	}
	answers, err := a.Client.UpdateGroupParticipants(ctx, wanted.Chat, wanted.People, wanted.Action)
	if err != nil {
		return nil, outcome.Of(err)
	}
	return pipe.Fields{"people": people(answers)}, nil
}

// GroupInvite returns the code of a group's invitation, a new one where the earlier is to be void.
func (a *Account) GroupInvite(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Chat   types.JID `json:"chat"`
		Revoke bool      `json:"revoke"`
	}
	if err := a.read(request, &wanted); err != nil {
		return nil, err
	}
	link, err := a.Client.GetGroupInviteLink(ctx, wanted.Chat, wanted.Revoke)
	return pipe.Fields{"code": strings.TrimPrefix(link, whatsmeow.InviteLinkPrefix)}, outcome.Of(err)
}

// InvitedGroup returns the group of an invitation.
func (a *Account) InvitedGroup(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	code, err := a.codeOf(request)
	if err != nil {
		return nil, err
	}
	found, err := a.Client.GetGroupInfoFromLink(ctx, code)
	if err != nil {
		return nil, outcome.Of(err)
	}
	size := found.ParticipantCount
	if size == 0 {
		size = len(found.Participants)
	}
	return pipe.Fields{
		"chat": found.JID.String(), "subject": found.Name, "description": found.Topic, "size": size,
	}, nil
}

// JoinGroup joins the group of an invitation; the library does not return whether an admin has to approve it.
func (a *Account) JoinGroup(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	code, err := a.codeOf(request)
	if err != nil {
		return nil, err
	}
	answer, err := a.Client.Query(ctx, whatsmeow.DangerousInfoQuery{
		Namespace: "w:g2", Type: "set", To: types.GroupServerJID, Timeout: Within, NoRetry: true,
		Content: []waBinary.Node{{Tag: "invite", Attrs: waBinary.Attrs{"code": code}}},
	})
	if err != nil {
		return nil, outcome.Of(err)
	}
	group, pending := answer.GetOptionalChildByTag("membership_approval_request")
	if !pending {
		group = answer.GetChildByTag("group")
	}
	return pipe.Fields{"chat": outcome.Text(group.Attrs["jid"]), "pending": pending}, nil
}

// LeaveGroup leaves a group.
func (a *Account) LeaveGroup(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Chat types.JID `json:"chat"`
	}
	if err := a.read(request, &wanted); err != nil {
		return nil, err
	}
	return nil, outcome.Of(a.Client.LeaveGroup(ctx, wanted.Chat))
}

// read decodes a request for a change, which is refused once the lease is over.
func (a *Account) read(request *pipe.Request, into any) error {
	if err := request.Read(into); err != nil {
		return err
	}
	return a.MayLeave()
}

func (a *Account) codeOf(request *pipe.Request) (string, error) {
	var wanted struct {
		Code string `json:"code"`
	}
	err := a.read(request, &wanted)
	return wanted.Code, err
}

// people describes persons in an answer: their addresses, and WhatsApp's number where it refused one.
func people(told []types.GroupParticipant) []pipe.Fields {
	found := make([]pipe.Fields, len(told))
	for index, each := range told {
		found[index] = pipe.Fields{
			"address": each.JID.String(), "phone": each.PhoneNumber.String(), "lid": each.LID.String(), "error": each.Error,
		}
	}
	return found
}
