// Tests that arguments are never logged.

package logging

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"go.mau.fi/libsignal/logger"
)

func TestArgumentsAreNeverWritten(t *testing.T) {
	var written bytes.Buffer
	writer := New(&written)
	log := writer.Module("whatsmeow").Sub("Recv")
	log.Warnf("Failed to read %s from %s", "a text", "15550100001@s.whatsapp.net")
	log.Errorf("no arguments")
	log.Infof("%v", "a text")
	log.Debugf("%s", "a text")
	writer.TakeSignal()
	logger.Error("a text of 15550100001")
	lines := strings.Split(strings.TrimSpace(written.String()), "\n")
	if len(lines) != 4 {
		t.Errorf("%d lines: %s", len(lines), written.String())
	}
	for _, line := range lines {
		found := map[string]string{}
		if err := json.Unmarshal([]byte(line), &found); err != nil || len(found) != 3 {
			t.Errorf("%q: %v", line, err)
		}
		if strings.Contains(line, "15550100001") || strings.Contains(line, "a text") {
			t.Errorf("an argument was written: %s", line)
		}
	}
	if found := lines[0]; !strings.Contains(found, `"whatsmeow/Recv"`) || !strings.Contains(found, "Failed to read %s") {
		t.Errorf("wrote %s", found)
	}
}
