package engine

import (
	"fmt"
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"
)

// shown are the attributes of a server's last word that name nobody.
var shown = []string{"reason", "code", "expire", "type", "class"}

// unlinked are the numbers after which a device is not linked any more. A locked account (403) keeps its keys.
var unlinked = map[string]map[string]bool{
	"failure":      {"401": true, "406": true},
	"stream_error": {"401": true, "516": true},
}

func failure(node *waBinary.Node) cause {
	found := cause{By: "failure", Attrs: attributes(node)}
	if number := found.Attrs["reason"]; unlinked["failure"][number] {
		found.Aside = "failure " + number
	}
	return found
}

func streamError(node *waBinary.Node) cause {
	found := cause{By: "stream_error", Attrs: attributes(node), Children: map[string]map[string]string{}}
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
		if value := text(node.Attrs[name]); value != "" {
			found[name] = value
		}
	}
	return found
}

func text(value any) string {
	switch found := value.(type) {
	case nil:
		return ""
	case string:
		return found
	default:
		return fmt.Sprint(found)
	}
}

func number(value any) int {
	found, _ := strconv.Atoi(text(value))
	return found
}
