"""The ``warroom`` command. ``run`` has what workers need imported before it reads what is asked of it.

Those imports take three times as long as the command line's and the settings' together: both go on at once.
"""

from __future__ import annotations

import signal
import sys
from contextlib import closing, suppress

from warroom.standby import Standby
from warroom.zygote import WAR_ROOM


def main() -> None:
    """Run a command and end the process with its exit code."""
    # Who ignores it, as some inits leave it to their children, never learns how a child ended.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with closing(Standby(WAR_ROOM)) as standby:
        if sys.argv[1:2] == ["run"] and "--help" not in sys.argv:
            with suppress(OSError):  # told when a worker is wanted
                standby.begin()
        from warroom import cli

        cli.main(standby)


if __name__ == "__main__":
    main()
