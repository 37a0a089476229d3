"""``python -m karyonet``."""

from karyonet.cli.app import main

main()
