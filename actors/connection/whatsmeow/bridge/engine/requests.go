// Dispatches each request of the connection's actor to its handler, and answers it over the pipe.

package engine

import (
	"time"

	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/account"
	"teimoso-whatsmeow/ends"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// handler answers one kind of request.
type handler func(*Engine, *pipe.Request) (pipe.Fields, []byte, error)

// Handle answers a request: at once where that cannot wait, else beside others.
func (engine *Engine) Handle(request *pipe.Request) {
	switch request.Do {
	case "deadline", "trace":
		engine.answer(request)
	case "close":
		go engine.closeRequest(request)
	default:
		go engine.answer(request)
	}
}

// closeRequest closes everything, answers, and has the program end.
func (engine *Engine) closeRequest(request *pipe.Request) {
	if err := engine.Close(); err != nil {
		request.Refuse(err)
	} else {
		request.Answer(nil, nil)
	}
	close(engine.closed)
}

func (engine *Engine) answer(request *pipe.Request) {
	engine.requests.Add(1)
	defer engine.requests.Add(-1)
	handle := handlers[request.Do]
	if handle == nil {
		request.Refuse(&pipe.Refusal{Code: "unknown_request", Permanent: true})
		return
	}
	fields, raw, err := handle(engine, request)
	if err != nil {
		request.Refuse(err)
		return
	}
	request.Answer(fields, raw)
}

var handlers map[string]handler

func init() {
	handlers = map[string]handler{
		"hello":             plain((*Engine).hello),
		"login":             plain((*Engine).loginRequest),
		"disconnect":        plain((*Engine).disconnect),
		"deadline":          plain((*Engine).deadline),
		"trace":             plain((*Engine).traceRequest),
		"copy":              plain((*Engine).copyRequest),
		"renew":             plain((*Engine).renew),
		"mappings":          plain((*Engine).mappings),
		"logout":            plain((*Engine).logout),
		"code":              running((*login).codeRequest),
		"passkey_assertion": running((*login).passkeyAssertion),
		"passkey_confirm":   running((*login).passkeyConfirm),
		"send":              open((*login).sendRequest),
		"read":              ofAccount((*account.Account).Read),
		"lookup":            ofAccount((*account.Account).Lookup),
		"groups":            ofAccount((*account.Account).Groups),
		"group":             ofAccount((*account.Account).Group),
		"group_create":      ofAccount((*account.Account).CreateGroup),
		"group_set":         ofAccount((*account.Account).SetGroup),
		"group_members":     ofAccount((*account.Account).ChangeMembers),
		"group_invite":      ofAccount((*account.Account).GroupInvite),
		"group_invited":     ofAccount((*account.Account).InvitedGroup),
		"group_join":        ofAccount((*account.Account).JoinGroup),
		"group_leave":       ofAccount((*account.Account).LeaveGroup),
		"picture":           ofAccount((*account.Account).Picture),
		"picture_set":       ofAccount((*account.Account).SetPicture),
		"blocked":           ofAccount((*account.Account).Blocked),
		"block":             ofAccount((*account.Account).Block),
		"about":             ofAccount((*account.Account).About),
		"about_set":         ofAccount((*account.Account).SetAbout),
		"presence":          ofAccount((*account.Account).Show),
		"typing":            ofAccount((*account.Account).Typing),
		"subscribe":         ofAccount((*account.Account).Subscribe),
		"probe":             running(func(one *login, request *pipe.Request) (pipe.Fields, error) { return one.account.Probe(request) }),
		"media_hosts":       ofAccount((*account.Account).MediaHosts),
		"media_retry":       ofAccount((*account.Account).RetryMedia),
		"peer":              open((*login).peerRequest),
		"history_learnt":    plain((*Engine).historyLearnt),
		"app_state_sync":    open((*login).syncStates),
		"app_state_patch":   open((*login).patchState),
		"reject_call":       ofAccount((*account.Account).RejectCall),
	}
	handlers["mex"] = func(engine *Engine, request *pipe.Request) (pipe.Fields, []byte, error) {
		one, err := engine.loggedIn()
		if err != nil {
			return nil, nil, err
		}
		return one.account.Mex(request)
	}
}

func plain(handle func(*Engine, *pipe.Request) (pipe.Fields, error)) handler {
	return func(engine *Engine, request *pipe.Request) (pipe.Fields, []byte, error) {
		fields, err := handle(engine, request)
		return fields, nil, err
	}
}

// running answers a request that needs an open socket.
func running(handle func(*login, *pipe.Request) (pipe.Fields, error)) handler {
	return plain(func(engine *Engine, request *pipe.Request) (pipe.Fields, error) {
		one, err := engine.running()
		if err != nil {
			return nil, err
		}
		return handle(one, request)
	})
}

// open answers a request that needs a device that is logged in.
func open(handle func(*login, *pipe.Request) (pipe.Fields, error)) handler {
	return plain(func(engine *Engine, request *pipe.Request) (pipe.Fields, error) {
		one, err := engine.loggedIn()
		if err != nil {
			return nil, err
		}
		return handle(one, request)
	})
}

// ofAccount answers a request about the account that is logged in.
func ofAccount(handle func(*account.Account, *pipe.Request) (pipe.Fields, error)) handler {
	return open(func(one *login, request *pipe.Request) (pipe.Fields, error) {
		return handle(one.account, request)
	})
}

func (engine *Engine) loginRequest(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Version *[3]uint32 `json:"version"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	return nil, engine.start(wanted.Version)
}

// disconnect ends the login and returns once `ended` was sent.
func (engine *Engine) disconnect(*pipe.Request) (pipe.Fields, error) {
	engine.lock.Lock()
	one := engine.login
	engine.lock.Unlock()
	if one != nil {
		one.end(ends.Cause{Word: "closed"})
		<-one.over
	}
	return nil, nil
}

func (engine *Engine) deadline(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Milliseconds int64 `json:"ms"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	engine.lease.Renew(time.Duration(wanted.Milliseconds) * time.Millisecond)
	return nil, nil
}

func (engine *Engine) traceRequest(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		On bool `json:"on"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	engine.tracing.Store(wanted.On)
	return nil, nil
}

func (engine *Engine) copyRequest(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Path string `json:"path"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	if err := engine.ready(); err != nil {
		return nil, err
	}
	if err := engine.vault.Copy(engine.ctx, wanted.Path); err != nil {
		return nil, outcome.Store(err)
	}
	return nil, nil
}

// renew makes a restored copy fit for use; no login may be running.
func (engine *Engine) renew(*pipe.Request) (pipe.Fields, error) {
	if err := engine.ready(); err != nil {
		return nil, err
	}
	engine.lock.Lock()
	defer engine.lock.Unlock()
	if engine.login != nil {
		return nil, &pipe.Refusal{Code: "already_running"}
	}
	device := engine.client.Store
	if device.ID == nil {
		return nil, nil
	}
	if err := engine.vault.Renew(engine.ctx, device.GetJID(), device.GetLID()); err != nil {
		return nil, outcome.Store(err)
	}
	return nil, engine.load(nil)
}

func (engine *Engine) mappings(*pipe.Request) (pipe.Fields, error) {
	if err := engine.ready(); err != nil {
		return nil, err
	}
	pairs, err := engine.vault.Mappings(engine.ctx)
	if err != nil {
		return nil, outcome.Store(err)
	}
	return pipe.Fields{"pairs": pairs}, nil
}

// logout unlinks the device where WhatsApp can be reached, and deletes its keys in any case.
func (engine *Engine) logout(*pipe.Request) (pipe.Fields, error) {
	if err := engine.ready(); err != nil {
		return nil, err
	}
	engine.lock.Lock()
	client := engine.client
	engine.lock.Unlock()
	jid, told := client.Store.GetJID(), false
	if one, err := engine.loggedIn(); err == nil && !jid.IsEmpty() {
		told = one.account.Unlink(jid) == nil
	}
	if _, err := engine.disconnect(nil); err != nil {
		return nil, err
	}
	engine.lock.Lock()
	defer engine.lock.Unlock()
	if !jid.IsEmpty() {
		if err := engine.vault.Forget(engine.ctx, jid); err != nil {
			return nil, outcome.Store(err)
		}
	}
	return pipe.Fields{"told": told}, engine.load(nil)
}

// historyLearnt takes a history that the actor stored: the library keeps addresses, secrets and tokens of it.
func (engine *Engine) historyLearnt(request *pipe.Request) (pipe.Fields, error) {
	if err := engine.ready(); err != nil {
		return nil, err
	}
	var history waHistorySync.HistorySync
	if proto.Unmarshal(request.Raw, &history) != nil {
		return nil, &pipe.Refusal{Code: "bad_history", Permanent: true}
	}
	engine.lock.Lock()
	client := engine.client
	engine.lock.Unlock()
	if client.Store.ID == nil {
		return nil, outcome.NotConnected
	}
	if err := client.LearnHistory(engine.ctx, &history); err != nil {
		return nil, outcome.Store(err)
	}
	return nil, engine.sound()
}

// ready returns an error before `hello`, and once the database failed.
func (engine *Engine) ready() error {
	engine.lock.Lock()
	defer engine.lock.Unlock()
	if engine.settings == nil {
		return &pipe.Refusal{Code: "no_hello"}
	}
	return engine.sound()
}
