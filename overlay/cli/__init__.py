"""What people type: one file a command, imported when it is run.

main -> outcome.run -> group (click, lazy) -> join leave status ping nat why punch ip wait config secret demo
             |                                  |
  exit codes, errors as text or JSON     control.client, config, for join the shell

options   shared flags      terminal  colour, width      units   for people      render  the status view
reach     words for NATs and punching
phrase    secrets as words  say       join's lines       detach  -d              argv    the secret leaves `ps`
"""

from __future__ import annotations


def main(arguments: list[str] | None = None) -> int:
    """Run `overlay ARGUMENTS` (those of this process if None); returns the exit code (contract, Commands)."""
    from overlay.cli.outcome import run

    return run(arguments)
