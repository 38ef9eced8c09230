// Package accountstate fetches app-state patches from WhatsApp, delivers them to the actor, and sends its changes.
package accountstate

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/appstate"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/types"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/library"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// States fetches the account's state (names, mutes, archives) collection by collection.
//
// The actor commits the changes of a collection before the library's version of it does: after a crash the same
// changes come again. Where the actor is not as far as the library, it gets all of the collection anew.
type States struct {
	Client *library.Client
	Log    waLog.Logger
	// Deliver hands changes to the actor; it returns the answer once they are committed.
	Deliver func(fields pipe.Fields, raw []byte) (pipe.Fields, error)
	// TellPhone sends a message to the account's phone.
	TellPhone func(context.Context, types.MessageID, *waE2E.Message) error
	// Renamed is called once the account's own name is another one.
	Renamed func()

	turn  sync.Mutex
	asked map[string]bool
	// name is held while the account's own name in the library is changed or used.
	name sync.Mutex
}

// Named calls `use` with the account's own name, which does not change meanwhile.
func (s *States) Named(use func(name string) error) error {
	s.name.Lock()
	defer s.name.Unlock()
	return use(s.Client.Store.PushName)
}

// Look fetches what changed in collections, in the background; `done` gets the first failure.
func (s *States) Look(ctx context.Context, done func(error), names ...appstate.WAPatchName) {
	go func() {
		var failed error
		for _, name := range names {
			if err := s.Fetch(ctx, name, false); err != nil && failed == nil {
				s.Log.Warnf("app state not fetched")
				failed = err
			}
		}
		done(failed)
	}()
}

// LookAtAll is Look for all collections, once the phone shared keys: an earlier login may have acknowledged what it
// could not read, and a restored copy has not seen what the lost one acknowledged.
func (s *States) LookAtAll(ctx context.Context) {
	if key, err := s.Client.Store.AppStateKeys.GetLatestAppStateSyncKeyID(ctx); err != nil || key == nil {
		return
	}
	s.Look(ctx, func(error) {}, appstate.AllPatchNames[:]...)
}

// Fetch fetches the changes of a collection, or with `whole` all of it anew.
//
// All of it comes anew, too, where the actor asks for that, and where changes do not fit what the library has.
func (s *States) Fetch(ctx context.Context, name appstate.WAPatchName, whole bool) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	again := !whole
	for more := true; more; {
		var err error
		more, err = s.page(ctx, name, whole)
		if whole = again && errors.Is(err, errUnfit); whole {
			s.Log.Warnf("app state is fetched anew")
			more, again = true, false
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// page fetches what the server gives at once, and returns whether it has more.
func (s *States) page(ctx context.Context, name appstate.WAPatchName, whole bool) (more bool, err error) {
	device := s.Client.Store
	if whole {
		if err := device.AppState.DeleteAppStateVersion(ctx, string(name)); err != nil {
			return false, err
		}
	}
	version, hash, err := device.AppState.GetAppStateVersion(ctx, string(name))
	if err != nil {
		return false, err
	}
	if version == 0 && !whole {
		// Items of a collection that the actor knows to be empty are news; of any other they are all there ever were.
		if whole, err = s.hand(name, &version, 0, nil); err != nil {
			return false, err
		}
	}
	patches, err := s.Client.Patches(ctx, name, version, version == 0)
	if err != nil {
		return false, err
	}
	after, err := s.apply(ctx, name, appstate.HashState{Version: version, Hash: hash}, patches, whole)
	// A server that promises more and brings nothing is not asked for ever.
	return patches.HasMorePatches && after != version, err
}

// apply has the actor commit changes, then stores that they are known; it returns the version that they lead to.
//
// They are decoded twice: waiting for the actor inside of a transaction would keep messages from being decrypted.
func (s *States) apply(
	ctx context.Context, name appstate.WAPatchName, state appstate.HashState, patches *appstate.PatchList, whole bool,
) (uint64, error) {
	changes, after, err := s.decode(ctx, state, patches, func(context.Context, []appstate.Mutation) error {
		return errNotYet
	})
	switch {
	case errors.Is(err, appstate.ErrKeyNotFound):
		go s.askForKeys(ctx, patches)
		return 0, err
	case state.Version != 0 && doesNotFit(err):
		return 0, fmt.Errorf("%w: %w", errUnfit, err)
	case !errors.Is(err, errNotYet):
		return 0, err
	}
	from := &state.Version
	if whole {
		from = nil
	}
	behind, err := s.hand(name, from, after.Version, changes)
	switch {
	case err != nil:
		return 0, err
	case behind:
		return 0, errUnfit
	case after.Version == state.Version:
		return after.Version, nil
	}
	renamed := false
	err = s.Named(func(before string) error {
		_, _, err := s.decode(ctx, state, patches, func(ctx context.Context, changes []appstate.Mutation) error {
			return s.Client.LearnChanges(ctx, name, changes, state.Version == 0)
		})
		renamed = s.Client.Store.PushName != before
		return err
	})
	if err == nil && renamed {
		s.Renamed()
	}
	return after.Version, err
}

// hand has the actor commit changes that lead from a version, nil for all of a collection, to the next one.
//
// All of a collection goes in parts, whose end alone counts: the actor would stand still over tens of thousands of
// changes. Changes of a collection go as one, since a part of them would come again after a crash. It returns
// whether the actor is behind that version, and committed nothing.
func (s *States) hand(
	name appstate.WAPatchName, from *uint64, version uint64, changes []appstate.Mutation,
) (behind bool, err error) {
	fields := pipe.Fields{"collection": string(name), "after": from, "version": version}
	for more := true; more; {
		part := changes
		if from == nil {
			part = changes[:min(len(changes), partSize)]
		}
		changes = changes[len(part):]
		more = len(changes) > 0
		fields["more"] = more
		header, raw, err := changesOf(part)
		if err != nil {
			return false, err
		}
		fields["changes"] = header
		answer, err := s.Deliver(fields, raw)
		if err != nil {
			return false, fmt.Errorf("%w: %w", ErrNotStored, err)
		}
		if answer["whole"] == true {
			return true, nil
		}
		fields["begun"] = answer["begun"]
	}
	return false, nil
}

// partSize is how many changes of a whole collection the actor commits at once, in some 15 ms.
const partSize = 200

// ErrNotStored reports that the actor did not commit changes: they come again.
var ErrNotStored = errors.New("changes not stored")

var (
	errNotYet = errors.New("not stored by the actor yet")
	errUnfit  = errors.New("all of the collection is needed")
)

// doesNotFit holds for changes that do not lead on from what the library has of a collection.
func doesNotFit(err error) bool {
	for _, each := range []error{
		appstate.ErrMismatchingLTHash, appstate.ErrMismatchingPatchMAC, appstate.ErrMissingPreviousSetValueOperation,
	} {
		if errors.Is(err, each) {
			return true
		}
	}
	return false
}

// decode decodes changes in a transaction that commits where `learn` returns no error.
func (s *States) decode(
	ctx context.Context, state appstate.HashState, patches *appstate.PatchList,
	learn func(context.Context, []appstate.Mutation) error,
) (changes []appstate.Mutation, after appstate.HashState, err error) {
	device := s.Client.Store
	err = device.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) (err error) {
		processor := appstate.NewProcessor(device, s.Log)
		if changes, after, err = processor.DecodePatches(ctx, patches, state, true); err != nil {
			return err
		}
		return learn(ctx, changes)
	})
	return changes, after, err
}

// changesOf describes changes in a header; the actions are protobufs, one after the other in the raw bytes.
func changesOf(changes []appstate.Mutation) (header []pipe.Fields, raw []byte, err error) {
	for _, change := range changes {
		action, err := proto.Marshal(change.Action)
		if err != nil {
			return nil, nil, err
		}
		operation := "set"
		if change.Operation == waServerSync.SyncdMutation_REMOVE {
			operation = "remove"
		}
		header = append(header, pipe.Fields{"index": change.Index, "operation": operation, "length": len(action)})
		raw = append(raw, action...)
	}
	return header, raw, nil
}

// askForKeys asks the phone for keys that changes were sealed under, once each.
func (s *States) askForKeys(ctx context.Context, patches *appstate.PatchList) {
	processor := appstate.NewProcessor(s.Client.Store, s.Log)
	var ids []*waE2E.AppStateSyncKeyId
	s.turn.Lock()
	for _, id := range processor.GetMissingKeyIDs(ctx, patches) {
		if !s.asked[string(id)] {
			if s.asked == nil {
				s.asked = map[string]bool{}
			}
			s.asked[string(id)] = true
			ids = append(ids, &waE2E.AppStateSyncKeyId{KeyID: id})
		}
	}
	s.turn.Unlock()
	if len(ids) == 0 {
		return
	}
	_ = s.TellPhone(ctx, s.Client.GenerateMessageID(), &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type:                   waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_REQUEST.Enum(),
		AppStateSyncKeyRequest: &waE2E.AppStateSyncKeyRequest{KeyIDs: ids},
	}})
}

const conflict = 409

// Send seals a patch on top of the newest version; a version that was outrun is fetched, and the patch sealed again.
func (s *States) Send(ctx context.Context, patch appstate.PatchInfo) error {
	for range 3 {
		if err := s.Fetch(ctx, patch.Type, false); err != nil {
			return err
		}
		code, err := s.attempt(ctx, patch)
		if err != nil {
			return err
		}
		switch code {
		case 0:
			return s.Fetch(ctx, patch.Type, false)
		case conflict:
		default:
			return outcome.Refused(code)
		}
	}
	return outcome.Refused(conflict)
}

func (s *States) attempt(ctx context.Context, patch appstate.PatchInfo) (int, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	device := s.Client.Store
	key, err := device.AppStateKeys.GetLatestAppStateSyncKeyID(ctx)
	if err != nil {
		return 0, err
	}
	if key == nil {
		return 0, &pipe.Refusal{Code: "no_app_state_keys"}
	}
	version, hash, err := device.AppState.GetAppStateVersion(ctx, string(patch.Type))
	if err != nil {
		return 0, err
	}
	processor := appstate.NewProcessor(device, s.Log)
	sealed, err := processor.EncodePatch(ctx, key, appstate.HashState{Version: version, Hash: hash}, patch)
	if err != nil {
		return 0, err
	}
	answer, err := s.Client.Query(ctx, whatsmeow.DangerousInfoQuery{
		Namespace: "w:sync:app:state", Type: "set", To: types.ServerJID, NoRetry: true,
		Content: []waBinary.Node{{Tag: "sync", Content: []waBinary.Node{{
			Tag: "collection", Attrs: waBinary.Attrs{
				"name": string(patch.Type), "version": version, "return_snapshot": false,
			},
			Content: []waBinary.Node{{Tag: "patch", Content: sealed}},
		}}}},
	})
	if err != nil {
		return 0, err
	}
	collection := answer.GetChildByTag("sync", "collection")
	if outcome.Text(collection.Attrs["type"]) != "error" {
		return 0, nil
	}
	refused := collection.GetChildByTag("error")
	return max(outcome.Number(refused.Attrs["code"]), 1), nil
}
