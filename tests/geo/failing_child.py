"""A decoder child that really fails on files with telling names: for tests of what its parent does about it."""

import os
import signal
import sys
import time

import numpy as np

from geoglot.geo import decoder_child, pixels


def read_source(path, *, root, options, windows, progress):
    name = path.name
    if "segfault" in name:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "killed" in name:
        os.kill(os.getpid(), signal.SIGKILL)
    if "loop" in name:
        while True:
            pass
    if "allocate" in name:
        hoard = [np.empty(1 << 30, np.uint8) for _ in range(20)]
        raise AssertionError(len(hoard))
    if "exits" in name:
        os._exit(7)
    if "nonsense" in name:
        os.write(int(os.environ["GEOGLOT_TEST_OUT"]), b"\xff" * 64)
    if "late" in name:
        items = pixels.read_source(path, root=root, options=options, windows=windows, progress=progress)
        yield next(items)
        yield next(items)
        time.sleep(0.5)
        progress()  # what was yielded is on its way to the parent now
        os.kill(os.getpid(), signal.SIGSEGV)
    yield from pixels.read_source(path, root=root, options=options, windows=windows, progress=progress)


if __name__ == "__main__":
    if "dies-at-start" in sys.argv:
        os._exit(9)
    os.environ["GEOGLOT_TEST_OUT"] = str(os.dup(1))
    decoder_child.main(read_source)
