"""One WhatsApp connection: its engine, its session file, its inbox and its outbox."""
