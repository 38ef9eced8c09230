"""What `teimoso doctor` asks of the systems outside: one module each."""
