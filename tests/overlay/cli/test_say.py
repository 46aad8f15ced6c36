from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.overlay.cli.shell import join_argv

CHATTY = """
def main(launch):
    from pathlib import Path
    for number in range(3):
        launch.say("tick", f"tick {number}", None)
    Path(launch.state_dir, "done").touch()
    return 0
"""


def test_a_reader_that_went_away_stops_the_words_not_the_node(tmp_path: Path) -> None:
    places = ["--state-dir", str(tmp_path / "state"), "--socket", str(tmp_path / "s.sock")]
    reader, writer = os.pipe()
    os.close(reader)
    argv = join_argv(CHATTY, "-n", "home", "-s", "long enough", *places)
    done = subprocess.run(argv, check=False, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (tmp_path / "state/done").exists()
    assert done.returncode == 0
    assert done.stderr == b""
