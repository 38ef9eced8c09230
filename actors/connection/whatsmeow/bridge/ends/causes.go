// Package ends defines the causes of a login's end, and derives each from WhatsApp's stanzas.
package ends

import (
	waBinary "go.mau.fi/whatsmeow/binary"

	"teimoso-whatsmeow/outcome"
)

// Cause is why a login ended: a word of the program's own, or what the server said, for the actor to judge.
type Cause struct {
	Word     string                       // of the program: closed, keepalive, unreachable, …
	Detail   string                       // of the program: how a proxy failed
	By       string                       // of the server: failure, stream_error, close
	Attrs    map[string]string            // of the server's stanza
	Children map[string]map[string]string // of the server's stanza, by tag
	Aside    string                       // the device is not linked any more: why its keys are set aside
}

// shown are the attributes of a server's last word that name nobody.
var shown = []string{"reason", "code", "expire", "type", "class"}

// unlinked are the numbers after which a device is not linked any more. A locked account (403) keeps its keys.
var unlinked = map[string]map[string]bool{
	"failure":      {"401": true, "406": true},
	"stream_error": {"401": true, "516": true},
}

// Failure is the cause in a <failure> stanza.
func Failure(node *waBinary.Node) Cause {
	found := Cause{By: "failure", Attrs: attributes(node)}
	if number := found.Attrs["reason"]; unlinked["failure"][number] {
		found.Aside = "failure " + number
	}
	return found
}

// StreamError is the cause in a <stream:error> stanza.
func StreamError(node *waBinary.Node) Cause {
	found := Cause{By: "stream_error", Attrs: attributes(node), Children: map[string]map[string]string{}}
	for _, child := range node.GetChildren() {
		found.Children[child.Tag] = attributes(&child)
	}
	conflict, conflicts := found.Children["conflict"]
	switch number := found.Attrs["code"]; {
	case conflicts && conflict["type"] == "device_removed":
		found.Aside = "device_removed"
	case !conflicts && unlinked["stream_error"][number]:
		found.Aside = "stream error " + number
	}
	return found
}

func attributes(node *waBinary.Node) map[string]string {
	found := map[string]string{}
	for _, name := range shown {
		if value := outcome.Text(node.Attrs[name]); value != "" {
			found[name] = value
		}
	}
	return found
}
