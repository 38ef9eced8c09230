"""The outbound queue: what was accepted, until it is sent or visibly not."""
