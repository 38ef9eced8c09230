"""`python -m gateway.cli`: the command where nothing is installed."""

from gateway.cli import main

main()
