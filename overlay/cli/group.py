"""The commands as a table; a command's module is imported when it is run, so `--help` costs nothing."""

from __future__ import annotations

from importlib import import_module

import click

from overlay import __version__

COMMANDS = {
    "join": "Join a network and stay in it.",
    "leave": "End a node politely: its peers know at once.",
    "status": "Who is here, how each is reached, and why.",
    "ping": "Ping a peer; each pong names its path.",
    "trace": "Every hop of today's path to a peer, with its RTT.",
    "nat": "What NAT is in front of this device.",
    "why": "Why a peer is reached as it is, and what would help.",
    "punch": "The punch engine: budget, counters, switches.",
    "ip": "The overlay addresses of a peer, or our own.",
    "wait": "Wait until a peer answers.",
    "config": "Check a config file; show the settings in force.",
    "secret": "Make a strong secret that can be read out.",
    "demo": "The main job, live, in network namespaces.",
}
"""Command -> what it is for. `overlay.cli.NAME` holds it under its name."""
FILES = {"trace": "hops"}
"""Commands whose file is called otherwise than they are: a standard module has their name."""


class Helpful(click.Group):
    """A group that, run without a command, prints its help and ends as wrong usage."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, but for no arguments."""
        if not args:
            click.echo(ctx.get_help())
            ctx.exit(2)
        return super().parse_args(ctx, args)


class Lazy(Helpful):
    """A group that knows its commands by name only."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported."""
        if cmd_name not in COMMANDS:
            return None
        found = getattr(import_module(f"overlay.cli.{FILES.get(cmd_name, cmd_name)}"), cmd_name)
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but with the nearest name for one that is none."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"there is no command {args[0]!r}{_did_you_mean(args[0])}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _did_you_mean(word: str) -> str:
    import difflib  # only for a slip

    found = difflib.get_close_matches(word, COMMANDS, n=1)
    return f"; did you mean {found[0]}?" if found else ""


@click.group(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: overlay join -n home -p vps.example.org",
)
@click.version_option(__version__, message="overlay %(version)s")
def overlay() -> None:
    """One private network from devices that share a name and a secret; no account, no server of ours."""
