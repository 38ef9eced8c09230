package engine

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/appstate"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"teimoso-whatsmeow/pipe"
)

// states fetches the account's state (names, mutes, archives) collection by collection.
//
// The actor commits the changes of a collection before the library's version of it does: after a crash the same
// changes come again.
type states struct {
	login *login
	turn  sync.Mutex
	asked map[string]bool
}

// look fetches what changed in collections, in the background.
func (all *states) look(names ...appstate.WAPatchName) {
	go func() {
		for _, name := range names {
			if err := all.fetch(all.login.engine.ctx, name, false); err != nil {
				all.login.engine.logs.Module("engine").Warnf("app state not fetched")
			}
		}
	}()
}

// fetch fetches the changes of a collection, or with `whole` all of it anew.
func (all *states) fetch(ctx context.Context, name appstate.WAPatchName, whole bool) error {
	all.turn.Lock()
	defer all.turn.Unlock()
	device := all.login.client.Store
	if whole {
		if err := device.AppState.DeleteAppStateVersion(ctx, string(name)); err != nil {
			return err
		}
	}
	for more := true; more; {
		version, hash, err := device.AppState.GetAppStateVersion(ctx, string(name))
		if err != nil {
			return err
		}
		first := version == 0
		patches, err := all.login.client.Patches(ctx, name, version, first)
		if err != nil {
			return err
		}
		if err := all.apply(ctx, name, appstate.HashState{Version: version, Hash: hash}, patches, first); err != nil {
			return err
		}
		if more = patches.HasMorePatches; more {
			after, _, err := device.AppState.GetAppStateVersion(ctx, string(name))
			if err != nil || after == version {
				return err // the server promises more and brings nothing
			}
		}
	}
	return nil
}

// apply has the actor commit changes, then stores that they are known.
//
// They are decoded twice: waiting for the actor inside of a transaction would keep messages from being decrypted.
func (all *states) apply(
	ctx context.Context, name appstate.WAPatchName, state appstate.HashState, patches *appstate.PatchList, whole bool,
) error {
	changes, after, err := all.decode(ctx, state, patches, func(context.Context, []appstate.Mutation) error {
		return errNotYet
	})
	switch {
	case errors.Is(err, appstate.ErrKeyNotFound):
		go all.askForKeys(ctx, patches)
		return err
	case err != nil && !errors.Is(err, errNotYet):
		return err
	case after.Version == state.Version && len(changes) == 0:
		return nil
	}
	header, raw, err := changesOf(changes)
	if err != nil {
		return err
	}
	answer := all.login.engine.pipe.Wait(all.login.deliver("app_state", pipe.Fields{
		"collection": string(name), "version": after.Version, "whole": whole, "changes": header,
	}, raw))
	if answer.Err != nil {
		return answer.Err
	}
	_, _, err = all.decode(ctx, state, patches, func(ctx context.Context, changes []appstate.Mutation) error {
		return all.login.client.LearnChanges(ctx, name, changes, whole)
	})
	return err
}

var errNotYet = errors.New("not stored by the actor yet")

// decode decodes changes in a transaction that commits where `learn` returns no error.
func (all *states) decode(
	ctx context.Context, state appstate.HashState, patches *appstate.PatchList,
	learn func(context.Context, []appstate.Mutation) error,
) (changes []appstate.Mutation, after appstate.HashState, err error) {
	device := all.login.client.Store
	err = device.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) (err error) {
		processor := appstate.NewProcessor(device, all.login.engine.logs.Module("app state"))
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
func (all *states) askForKeys(ctx context.Context, patches *appstate.PatchList) {
	processor := appstate.NewProcessor(all.login.client.Store, all.login.engine.logs.Module("app state"))
	var ids []*waE2E.AppStateSyncKeyId
	all.turn.Lock()
	for _, id := range processor.GetMissingKeyIDs(ctx, patches) {
		if !all.asked[string(id)] {
			all.asked[string(id)] = true
			ids = append(ids, &waE2E.AppStateSyncKeyId{KeyID: id})
		}
	}
	all.turn.Unlock()
	if len(ids) == 0 {
		return
	}
	_, _ = all.login.tellPhone(ctx, &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type:                   waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_REQUEST.Enum(),
		AppStateSyncKeyRequest: &waE2E.AppStateSyncKeyRequest{KeyIDs: ids},
	}})
}

// syncStates fetches all collections, or the named one, anew.
func (one *login) syncStates(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Collection string `json:"collection"`
		Whole      bool   `json:"whole"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	for _, name := range appstate.AllPatchNames {
		if wanted.Collection != "" && wanted.Collection != string(name) {
			continue
		}
		if err := one.states.fetch(one.engine.ctx, name, wanted.Whole); err != nil {
			return nil, unanswered(err)
		}
	}
	return nil, nil
}

// patchState changes the account's state for all its devices: each change is a path (`index`), a version of the
// format, and the action as protobuf's JSON.
func (one *login) patchState(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Collection string `json:"collection"`
		Changes    []struct {
			Index   []string        `json:"index"`
			Version int32           `json:"version"`
			Action  json.RawMessage `json:"action"`
		} `json:"changes"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	patch := appstate.PatchInfo{Type: appstate.WAPatchName(wanted.Collection)}
	for _, change := range wanted.Changes {
		action := &waSyncAction.SyncActionValue{}
		if protojson.Unmarshal(change.Action, action) != nil {
			return nil, &pipe.Refusal{Code: "bad_request", Permanent: true}
		}
		patch.Mutations = append(patch.Mutations, appstate.MutationInfo{
			Index: change.Index, Version: change.Version, Value: action,
		})
	}
	if err := one.mayLeave(); err != nil {
		return nil, err
	}
	return nil, unanswered(one.states.send(one.engine.ctx, patch))
}

const conflict = 409

// send seals a patch on top of the newest version; a version that was outrun is fetched, and the patch sealed again.
func (all *states) send(ctx context.Context, patch appstate.PatchInfo) error {
	for range 3 {
		if err := all.fetch(ctx, patch.Type, false); err != nil {
			return err
		}
		code, err := all.attempt(ctx, patch)
		if err != nil {
			return err
		}
		switch code {
		case 0:
			return all.fetch(ctx, patch.Type, false)
		case conflict:
		default:
			return &pipe.Refusal{Code: "refused", Number: code}
		}
	}
	return &pipe.Refusal{Code: "refused", Number: conflict}
}

func (all *states) attempt(ctx context.Context, patch appstate.PatchInfo) (int, error) {
	all.turn.Lock()
	defer all.turn.Unlock()
	device := all.login.client.Store
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
	processor := appstate.NewProcessor(device, all.login.engine.logs.Module("app state"))
	sealed, err := processor.EncodePatch(ctx, key, appstate.HashState{Version: version, Hash: hash}, patch)
	if err != nil {
		return 0, err
	}
	answer, err := all.login.client.Query(ctx, whatsmeow.DangerousInfoQuery{
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
	if text(collection.Attrs["type"]) != "error" {
		return 0, nil
	}
	refused := collection.GetChildByTag("error")
	return max(number(refused.Attrs["code"]), 1), nil
}
