"""Runs the command line where `teimoso` is not installed: `python -m gateway.cli`."""

from gateway.cli import main

main()
