"""A real captioning in a process of its own, to be killed: prints one line for each commit it has been told of."""

from __future__ import annotations

import sys
from pathlib import Path

from caption_samples import FakeCaptioner

from geoglot.archive import captioning
from geoglot.archive.captions import put_captions
from geoglot.archive.store import ArchiveStore


def main(archive: Path) -> None:
    def telling(store, table, **more):  # type: ignore[no-untyped-def]
        put_captions(store, table, **more)
        for row in table.to_pylist():
            print(row["id"].hex(), row["language"], row["caption"])
        print("committed", flush=True)

    captioning.put_captions = telling
    captioning.PICTURES_TOGETHER = 4
    with ArchiveStore.open(archive, read_only=False) as store:
        captioning.caption_archive(store, FakeCaptioner(), ("en", "ar"), flush_rows=8)
    print("finished", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
