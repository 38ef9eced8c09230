"""How well everything is: measured, judged, and told when it changes."""
