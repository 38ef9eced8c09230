// Tests linking by QR, by code and by passkey.

package tests

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"teimoso-whatsmeow/pipe"
)

// unlinked starts a program without a device, shown as a QR, for an account of its own.
func unlinked(t *testing.T) (*actor, string) {
	t.Helper()
	one := start(t, filepath.Join(t.TempDir(), "whatsmeow.db"))
	one.number = number()
	post(t, "/phones", object{"number": one.number})
	if err := one.hello(1, nil).Err; err != nil {
		t.Fatal(err)
	}
	one.do("login", nil, nil)
	qr := one.await(0, "qr", nil)
	if expires := qr.Fields["expires_ms"].(float64); expires < 50_000 || expires > 60_000 {
		t.Errorf("the QR expires in %v ms", expires)
	}
	return one, qr.Fields["text"].(string)
}

func TestCredentialsAreStoredBeforeTheyAreConfirmed(t *testing.T) {
	t.Parallel()
	one, qr := unlinked(t)
	// A device that cannot store its keys must not be linked.
	if _, err := database(t, one.path).Exec(`CREATE TRIGGER full BEFORE INSERT ON whatsmeow_device
		BEGIN SELECT RAISE(ABORT, 'no room'); END`); err != nil {
		t.Fatal(err)
	}
	if err := simulator.request("POST", "/phones/"+one.number+"/scan", object{"qr": qr}, nil); err == nil {
		t.Error("the phone linked a device without stored keys")
	}
	if why := one.await(0, "ended", nil).Fields; why["cause"] != "pairing_failed" {
		t.Errorf("ended by %v", why)
	}
	if len(one.all("paired")) > 0 {
		t.Error("it was reported as paired")
	}
	if _, err := database(t, one.path).Exec("DROP TRIGGER full"); err != nil {
		t.Fatal(err)
	}
	one.link()
	one.login()
}

func TestDeviceHasANameOfItsOwnAmongTheLinkedOnes(t *testing.T) {
	t.Parallel()
	one := paired(t)
	for remark := range get(t, "/accounts/"+one.number)["remarks"].(object) {
		if remark != "user_agent" {
			t.Errorf("a remark on %s", remark)
		}
	}
}

// The library's own handler would disconnect here, which may end the program where the server closes the socket at the
// same moment: between two instructions, so that no test can force it.
func TestPairingsThatFailEndTheirLoginAlone(t *testing.T) {
	t.Parallel()
	one, qr := unlinked(t)
	for range 3 {
		parts := strings.Split(qr, ",")
		parts[3] = base64.StdEncoding.EncodeToString(make([]byte, 32)) // the phone signs with another secret
		since := one.now()
		scanned := object{"qr": strings.Join(parts, ",")}
		if err := simulator.request("POST", "/phones/"+one.number+"/scan", scanned, nil); err == nil {
			t.Error("the device confirmed a pairing with another secret")
		}
		if why := one.await(since, "ended", nil).Fields; why["by"] != "program" || why["cause"] != "pairing_failed" {
			t.Errorf("ended by %v", why)
		}
		since = one.now()
		one.do("login", nil, nil)
		qr = one.await(since, "qr", nil).Fields["text"].(string)
	}
	if len(one.all("paired")) > 0 {
		t.Error("it was reported as paired")
	}
	if strings.Contains(one.stderr.String(), "Failed to pair device") {
		t.Error("the library handled the pairing, and disconnected by itself")
	}
	post(t, "/phones/"+one.number+"/scan", object{"qr": qr})
	one.await(0, "paired", nil)
}

func TestPairingCodeLinksTheDevice(t *testing.T) {
	t.Parallel()
	one, _ := unlinked(t)
	found := one.do("code", pipe.Fields{"phone": one.number}, nil).Fields
	code := found["code"].(string)
	if len(code) != 9 || found["expires_ms"].(float64) != 180_000 {
		t.Errorf("code %v", found)
	}
	post(t, "/phones/"+one.number+"/link-code", object{"code": code})
	one.await(0, "paired", nil)
	one.await(0, "ended", nil)
	one.login()
	if found := refusal(t, one.ask("code", pipe.Fields{"phone": one.number}, nil)); found.Code != "already_linked" {
		t.Errorf("%+v", found)
	}
}

func TestPairingCodesThatAreRefusedOrWrong(t *testing.T) {
	t.Parallel()
	one, _ := unlinked(t)
	fault(t, one.number, "refuse_link_code", object{"code": 429, "count": 1})
	found := refusal(t, one.ask("code", pipe.Fields{"phone": one.number}, nil))
	if found.Code != "pairing_code_refused" || found.Number != 429 {
		t.Errorf("%+v", found)
	}
	if found := refusal(t, one.ask("code", pipe.Fields{"phone": "12"}, nil)); !found.Permanent {
		t.Errorf("%+v", found)
	}
	one.do("code", pipe.Fields{"phone": one.number}, nil)
	err := simulator.request("POST", "/phones/"+one.number+"/link-code", object{"code": "ZZZZZZZZ"}, nil)
	if err == nil || !strings.Contains(err.Error(), "wrong_link_code") {
		t.Errorf("%v", err)
	}
	one.await(0, "code_void", nil)
}

func TestSecretIsRefreshedWhereTheServerWantsIt(t *testing.T) {
	t.Parallel()
	one, qr := unlinked(t)
	post(t, "/phones/"+one.number, object{"linking": "refresh"})
	if err := simulator.request("POST", "/phones/"+one.number+"/scan", object{"qr": qr}, nil); err == nil {
		t.Error("the old secret was taken")
	}
	next := one.await(0, "qr", func(found record) bool { return found.Fields["text"] != qr })
	post(t, "/phones/"+one.number+"/scan", object{"qr": next.Fields["text"]})
	one.await(0, "paired", nil)
	one.await(0, "ended", nil)
	one.login()
}

// assertion signs a challenge as an authenticator does.
func assertion(challenge, site string) []byte {
	encode := base64.RawURLEncoding.EncodeToString
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	client := []byte(fmt.Sprintf(`{"type":"webauthn.get","challenge":%q,"origin":"https://%s"}`, challenge, site))
	domain, digest := sha256.Sum256([]byte(site)), sha256.Sum256(client)
	data := append(domain[:], 5, 0, 0, 0, 1)
	signed := sha256.Sum256(append(append([]byte{}, data...), digest[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, key, signed[:])
	if err != nil {
		panic(err)
	}
	encoded, _ := json.Marshal(object{
		"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": object{
			"clientDataJSON": encode(client), "authenticatorData": encode(data), "signature": encode(signature),
			"userHandle": nil,
		},
	})
	return encoded
}

func TestPasskeyLinksTheDevice(t *testing.T) {
	t.Parallel()
	one, qr := unlinked(t)
	post(t, "/phones/"+one.number, object{"linking": "passkey"})
	if err := simulator.request("POST", "/phones/"+one.number+"/scan", object{"qr": qr}, nil); err == nil {
		t.Error("it was linked without a passkey")
	}
	options := one.await(0, "passkey", nil).Fields["options"].(object)
	if found := refusal(t, one.ask("passkey_assertion", nil, []byte("{}"))); found.Code != "bad_assertion" {
		t.Errorf("%+v", found)
	}
	if found := refusal(t, one.ask("passkey_confirm", nil, nil)); found.Code != "no_passkey_challenge" {
		t.Errorf("%+v", found)
	}
	foreign := assertion(options["challenge"].(string), options["rpId"].(string))
	if found := refusal(t, one.ask("passkey_assertion", nil, foreign)); found.Code != "refused" || found.Number != 403 {
		t.Errorf("%+v", found)
	}
	signed := post(t, "/phones/"+one.number+"/passkey", object{"challenge": options["challenge"]})
	answer, err := json.Marshal(signed)
	if err != nil {
		t.Fatal(err)
	}
	one.do("passkey_assertion", nil, answer)
	one.await(0, "passkey", func(found record) bool {
		if found.Fields["code"] != nil {
			one.begin("passkey_confirm", nil, nil)
			return true
		}
		return found.Fields["confirmed"] == true
	})
	one.await(0, "paired", nil)
	one.await(0, "ended", nil)
	one.login()
}

func TestOwnersLogoutDeletesTheKeys(t *testing.T) {
	t.Parallel()
	one := paired(t)
	if told := one.do("logout", nil, nil).Fields["told"]; told != true {
		t.Errorf("told: %v", told)
	}
	if devices(t, one.path) != 0 || len(items(get(t, "/accounts/"+one.number), "devices")) != 0 {
		t.Error("the device is still there")
	}
	one.link()
	one.do("logout", nil, nil) // without a socket
	if devices(t, one.path) != 0 {
		t.Error("the keys are still there")
	}
}
