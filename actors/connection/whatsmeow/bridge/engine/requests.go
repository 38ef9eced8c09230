// Dispatches each request of the connection's actor to its handler, and answers it over the pipe.

package engine

import (
	"context"
	"time"

	"teimoso-whatsmeow/account"
	"teimoso-whatsmeow/ends"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// handler answers one kind of request.
type handler func(*Engine, *pipe.Request) (pipe.Fields, []byte, error)

// Handle answers a request: at once where that cannot wait, else beside others.
func (e *Engine) Handle(request *pipe.Request) {
	switch request.Do {
	case "deadline", "trace":
		e.answer(request)
	case "close":
		go e.closeRequest(request)
	default:
		go e.answer(request)
	}
}

// closeRequest closes everything, answers, and has the program end.
func (e *Engine) closeRequest(request *pipe.Request) {
	if err := e.Close(); err != nil {
		request.Refuse(err)
	} else {
		request.Answer(nil, nil)
	}
	e.closing.Do(func() { close(e.closed) })
}

func (e *Engine) answer(request *pipe.Request) {
	e.requests.Add(1)
	defer e.requests.Add(-1)
	handle := handlers[request.Do]
	if handle == nil {
		request.Refuse(&pipe.Refusal{Code: "unknown_request", Permanent: true})
		return
	}
	fields, raw, err := handle(e, request)
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
		"probe":             running(untilEnd((*account.Account).Probe)),
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
		ctx, cancel := context.WithTimeout(one.alive, account.Within)
		defer cancel()
		return one.account.Mex(ctx, request)
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

type accountHandler = func(*account.Account, context.Context, *pipe.Request) (pipe.Fields, error)

// ofAccount answers a request about the account that is logged in.
func ofAccount(handle accountHandler) handler { return open(untilEnd(handle)) }

// untilEnd gives up a request at the end of the login, or when it takes too long.
func untilEnd(handle accountHandler) func(*login, *pipe.Request) (pipe.Fields, error) {
	return func(l *login, request *pipe.Request) (pipe.Fields, error) {
		ctx, cancel := context.WithTimeout(l.alive, account.Within)
		defer cancel()
		return handle(l.account, ctx, request)
	}
}

func (e *Engine) loginRequest(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Version *[3]uint32 `json:"version"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	return nil, e.start(wanted.Version)
}

// disconnect ends the login and returns once `ended` was sent.
func (e *Engine) disconnect(*pipe.Request) (pipe.Fields, error) {
	e.lock.Lock()
	one := e.login
	e.lock.Unlock()
	if one != nil {
		one.end(ends.Cause{Word: "closed"})
		<-one.over
	}
	return nil, nil
}

func (e *Engine) deadline(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Milliseconds int64 `json:"ms"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	e.lease.renew(time.Duration(wanted.Milliseconds) * time.Millisecond)
	return nil, nil
}

func (e *Engine) traceRequest(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		On bool `json:"on"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	e.tracing.Store(wanted.On)
	return nil, nil
}

func (e *Engine) copyRequest(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Path string `json:"path"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	if err := e.ready(); err != nil {
		return nil, err
	}
	if err := e.vault.Copy(e.ctx, wanted.Path); err != nil {
		return nil, outcome.Store(err)
	}
	return nil, nil
}

// renew makes a restored copy fit for use; no login may be running.
func (e *Engine) renew(*pipe.Request) (pipe.Fields, error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	e.lock.Lock()
	defer e.lock.Unlock()
	if e.login != nil {
		return nil, &pipe.Refusal{Code: "already_running"}
	}
	device := e.client.Store
	if device.ID == nil {
		return nil, nil
	}
	if err := e.vault.Renew(e.ctx, device.GetJID(), device.GetLID()); err != nil {
		return nil, outcome.Store(err)
	}
	return nil, e.load()
}

func (e *Engine) mappings(*pipe.Request) (pipe.Fields, error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	pairs, err := e.vault.Mappings(e.ctx)
	if err != nil {
		return nil, outcome.Store(err)
	}
	return pipe.Fields{"pairs": pairs}, nil
}

// logout unlinks the device where WhatsApp can be reached, and deletes its keys in any case.
func (e *Engine) logout(*pipe.Request) (pipe.Fields, error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	e.lock.Lock()
	client := e.client
	e.lock.Unlock()
	jid, told := client.Store.GetJID(), false
	if one, err := e.loggedIn(); err == nil && !jid.IsEmpty() {
		told = one.account.Unlink(one.alive, jid) == nil
	}
	if _, err := e.disconnect(nil); err != nil {
		return nil, err
	}
	e.lock.Lock()
	defer e.lock.Unlock()
	if !jid.IsEmpty() {
		if err := e.vault.Forget(e.ctx, jid); err != nil {
			return nil, outcome.Store(err)
		}
	}
	return pipe.Fields{"told": told}, e.load()
}

// historyLearnt takes a history that the actor stored: the library keeps addresses, secrets and tokens of it.
func (e *Engine) historyLearnt(request *pipe.Request) (pipe.Fields, error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	e.lock.Lock()
	client := e.client
	e.lock.Unlock()
	if client.Store.ID == nil {
		return nil, outcome.NotConnected
	}
	if client.LearnHistory(e.ctx, request.Raw) != nil {
		return nil, &pipe.Refusal{Code: "bad_history", Permanent: true}
	}
	return nil, e.sound()
}

// ready returns an error before `hello`, and once the database failed.
func (e *Engine) ready() error {
	e.lock.Lock()
	defer e.lock.Unlock()
	if e.settings == nil {
		return &pipe.Refusal{Code: "no_hello"}
	}
	return e.sound()
}
