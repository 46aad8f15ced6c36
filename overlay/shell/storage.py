"""Identity and memory on disk (contract, State).

    identity      `overlay-identity 1`, the seed in hex, its checksum
    memory.json   address held, sequence signed, records known, endpoints that answered and who did
    resume        what sessions are resumed with (`tickets`): a file of its own, as the other may be shown to people

Files are 0600 and written atomically, the seldomer the longer they are. A torn or foreign one is set aside with a
warning: nothing is lost, and a new identity is never taken in silence. Once the network's secret is another, tickets
and records are gone (protocol section 4): the remedy for a stolen device.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from overlay.errors import NotPermitted, OverlayError
from overlay.session.tickets import Ticket
from overlay.shell import tickets as files
from overlay.values import NodeId
from punch.values import Endpoint, parse_endpoint

_MAGIC = "overlay-identity 1"
_MEMORY_LIMIT = 16 << 20
"""Bytes of memory.json that are read: 4,096 records of 1 KiB in base64, with room."""

_TICKETS_LIMIT = 2 << 20
"""Bytes of `resume` that are read: 4,096 tickets of 180 characters, with room."""
PAUSE = 10
"""Seconds between two writings of `resume` while the node runs: each rekey changes it."""
SHARE, LONGEST = 16 << 10, 30
"""Bytes a second that are written of one file where it changes all the time, in a large mesh that members come to and
go from; and seconds that a change waits at most."""
MOST_ASIDE = 8
"""Files of one name that are set aside, but identities: those are all kept."""

Warn = Callable[[str], None]


class Memory(Struct, frozen=True, kw_only=True):
    """What an earlier run knew."""

    ipv4: str | None = None
    sequence: int = 0
    records: tuple[bytes, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    holders: tuple[NodeId, ...] = ()
    """Who answered at each of them; fewer: an older file."""
    tickets: tuple[Ticket, ...] = ()


class Storage:
    """The state folder of one network."""

    def __init__(self, folder: Path, warn: Warn) -> None:
        self._folder = folder
        self._warn = warn
        self._kept: dict[str, Any] = {}
        self._records: tuple[bytes, ...] = ()
        self._failed = False
        self._memory_file = _Paced(1)
        self._rest_key = b""
        self._tickets: dict[NodeId, tuple[Ticket, ...]] = {}
        """Oldest first, the peers too."""
        self._tickets_file = _Paced(PAUSE)

    def seed(self) -> bytes:
        """The 32-byte identity seed, made at the first start.

        Raises:
            OverlayError: the folder cannot be written.
        """
        path = self._folder / "identity"
        text = self._read(path, limit=4096)
        if text is not None:
            seed = _parse_identity(text)
            if seed is not None:
                return seed
            self._set_aside(path, "is torn or foreign; this device gets a new identity")
        seed = secrets.token_bytes(32)
        try:
            self._write(path, _format_identity(seed))
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        return seed

    def memory(self) -> Memory:
        """What an earlier run remembered; what does not fit is left out."""
        path = self._folder / "memory.json"
        text = self._read(path, limit=_MEMORY_LIMIT)
        if text is None:
            return Memory()
        try:
            self._kept = _checked(json.loads(text))
        except (ValueError, TypeError, RecursionError):
            self._set_aside(path, "is torn or foreign; peers and address are learned again")
            return Memory()
        self._records = tuple(base64.b64decode(each) for each in self._kept.pop("records"))
        endpoints, holders = _endpoints(self._kept["endpoints"], self._kept["holders"])
        return Memory(
            ipv4=self._kept["ipv4"],
            sequence=self._kept["sequence"],
            records=self._records,
            endpoints=endpoints,
            holders=holders,
        )

    def unlock(self, memory: Memory, rest_key: bytes) -> Memory:
        """`memory` with its tickets, which `rest_key` shows; without records and tickets if that is of another secret.

        Raises:
            OverlayError: the folder cannot be written.
        """
        self._rest_key = rest_key
        before, mark = self._kept.get("mark"), files.mark(rest_key)
        self.keep(mark=mark)
        path = self._folder / "resume"
        if before not in (None, mark):
            self._warn("The network's secret is another than before: members and sessions of before are forgotten.")
            self.keep(records=(), holders=[])
            self._tickets_file.dirty = path.exists()
            return structs.replace(memory, records=(), holders=())
        text = self._read(path, limit=_TICKETS_LIMIT)
        if text is None:
            return memory
        try:
            held = files.unpack(text, rest_key)
        except ValueError:
            self._set_aside(path, "is torn or foreign; peers are met anew")
            return memory
        for ticket in held:
            self._tickets[ticket.peer] = (*self._tickets.pop(ticket.peer, ()), ticket)
        return structs.replace(memory, tickets=held)

    def keep(self, **changed: Any) -> None:
        """Take what changed of memory.json: ipv4, sequence, records (bytes), endpoints (texts); `flush` writes it."""
        records = changed.pop("records", self._records)
        if records != self._records or any(self._kept.get(key) != value for key, value in changed.items()):
            self._records = records
            self._kept.update(changed)
            self._memory_file.dirty = True

    def keep_tickets(self, peer: NodeId, tickets: tuple[Ticket, ...]) -> None:
        """Take what sessions with `peer` are resumed with, in place of what there was; it is the newest."""
        self._tickets.pop(peer, None)
        if tickets:
            self._tickets[peer] = tickets
        self._tickets_file.dirty = True

    def tick(self) -> None:
        """A second passed: `flush` what was not written of late."""
        if self._memory_file.is_due():
            self._flush_memory()
        if self._tickets_file.is_due():
            self._flush_tickets()

    def flush(self) -> None:
        """Write what changed since the last time. Never raises: what cannot be written is said once."""
        self._flush_memory()
        self._flush_tickets()

    def _flush_memory(self) -> None:
        if self._memory_file.dirty:
            records = [base64.b64encode(each).decode() for each in self._records]
            text = json.dumps({**self._kept, "records": records}, indent=1)
            self._try_write("memory.json", text, self._memory_file)

    def _flush_tickets(self) -> None:
        if self._tickets_file.dirty:
            held = (each for tickets in self._tickets.values() for each in tickets)
            self._try_write("resume", files.pack(held, self._rest_key), self._tickets_file)

    def _try_write(self, name: str, text: str, file: _Paced) -> None:
        file.written(len(text))
        try:
            self._write(self._folder / name, text)
            self._failed = False
        except OSError as error:
            if not self._failed:
                self._warn(f"{self._folder}: cannot remember peers: {error.strerror}. The node goes on without.")
            self._failed = file.dirty = True

    def _read(self, path: Path, *, limit: int) -> str | None:
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_uid not in (os.geteuid(), 0):
                    self._set_aside(path, "belongs to another user")
                    return None
                return file.read(limit + 1).decode("utf-8", "replace")
        except FileNotFoundError:
            return None
        except IsADirectoryError:
            self._set_aside(path, "is a folder")
            return None
        except PermissionError as error:
            raise NotPermitted(f"{path} cannot be read.", f"Make it yours: sudo chown $USER {path}") from error
        except OSError as error:
            raise OverlayError(f"{path} cannot be read: {error.strerror}.", "Check the disk.") from error

    def _set_aside(self, path: Path, why: str) -> None:
        number, most = 1, MOST_ASIDE if path.name != "identity" else sys.maxsize
        while (aside := path.with_name(f"{path.name}.aside-{number}")).exists() and number < most:
            number += 1
        try:
            if aside.is_dir():
                shutil.rmtree(aside)
            aside.unlink(missing_ok=True)
            path.rename(aside)
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        self._warn(f"{path} {why}. It was set aside as {aside.name}.")

    def _write(self, path: Path, text: str) -> None:
        """Replace `path` as a whole: a reader, or a crash, finds the old text or the new one."""
        new = path.with_name(f".{path.name}.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        except OSError:
            new.unlink(missing_ok=True)
            raise


class _Paced:
    """A file that changes: whether what is on the disk is old, and how long it may be."""

    def __init__(self, least: int) -> None:
        self.dirty = False
        self._least = least
        self._rest = 0

    def is_due(self) -> bool:
        """A second passed: whether it may be written."""
        self._rest = max(0, self._rest - 1)
        return not self._rest

    def written(self, size: int) -> None:
        """So many bytes were, or could not be."""
        self.dirty = False
        self._rest = min(LONGEST, max(self._least, size // SHARE))


_LISTS = ("records", "endpoints", "holders")


def _checked(raw: Any) -> dict[str, Any]:
    """The shape of memory.json, or ValueError."""
    if not isinstance(raw, dict):
        raise ValueError("not an object")
    kept = {
        "ipv4": raw.get("ipv4"),
        "sequence": raw.get("sequence", 0),
        "records": raw.get("records", []),
        "endpoints": raw.get("endpoints", []),
        "holders": raw.get("holders", []),
        "mark": raw.get("mark"),
    }
    fits = (
        (kept["ipv4"] is None or isinstance(kept["ipv4"], str))
        and type(kept["sequence"]) is int
        and 0 <= kept["sequence"] < 1 << 63
        and all(isinstance(kept[key], list) for key in _LISTS)
        and all(isinstance(each, str) for key in _LISTS for each in kept[key])
    )
    if not fits:
        raise ValueError("another shape")
    for each in kept["records"]:
        base64.b64decode(each, validate=True)
    return kept


def _endpoints(texts: list[str], ids: list[str]) -> tuple[tuple[Endpoint, ...], tuple[NodeId, ...]]:
    """Endpoints, and who answered there if all of them are known."""
    found: dict[Endpoint, NodeId] = {}
    for text, holder in zip(texts, ids if len(ids) == len(texts) else [""] * len(texts), strict=True):
        try:
            found[parse_endpoint(text)] = NodeId(bytes.fromhex(holder))
        except ValueError:
            continue
    known = all(len(each) == 32 for each in found.values())
    return tuple(found), tuple(found.values()) if known else ()


def _checksum(seed: bytes) -> str:
    return hashlib.blake2b(seed, digest_size=8, person=b"overlay-id").hexdigest()


def _format_identity(seed: bytes) -> str:
    return f"{_MAGIC}\n{seed.hex()}\n{_checksum(seed)}\n"


def _parse_identity(text: str) -> bytes | None:
    lines = text.split("\n")
    if len(lines) != 4 or lines[0] != _MAGIC or len(lines[1]) != 64:
        return None
    try:
        seed = bytes.fromhex(lines[1])
    except ValueError:
        return None
    return seed if lines[2] == _checksum(seed) else None


def _unwritable(folder: Path, error: OSError) -> OverlayError:
    text = f"The state folder {folder} cannot be written: {error.strerror}."
    if isinstance(error, PermissionError):
        return NotPermitted(text, f"Make it yours (sudo chown -R $USER {folder}), or name another with --state-dir.")
    return OverlayError(text, "Name another folder with --state-dir, or make room on the disk.", code="state_dir")
