"""Threads that ask a catalogue while another writes: no deadlock between SQLite's mutex and the interpreter's lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys, threading
from pathlib import Path
from geoglot.archive.catalogue import Catalogue
from geoglot.archive.entries import Source

catalogue = Catalogue.create(Path(sys.argv[1]), {})
sys.setswitchinterval(1e-6)
done = threading.Event()

def ask():
    while not done.is_set():
        list(catalogue.sources("WHERE content = ? LIMIT 1", ("00" * 32,)))

readers = [threading.Thread(target=ask) for _ in range(3)]
for reader in readers:
    reader.start()
for commit in range(20):
    with catalogue.transaction():
        for number in range(100):
            name = f"{commit}-{number}"
            catalogue.put_source(Source(path=name, size=1, modified_ns=1, content=name, state="done"))
done.set()
for reader in readers:
    reader.join()
print(len(list(catalogue.sources())))
catalogue.close()
"""


def test_readers_beside_the_writer_never_block_each_other(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "catalog.sqlite")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "2000", done.stderr[-2000:]
