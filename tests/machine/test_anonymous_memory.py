"""Memory without a name: shared by those who hold its descriptor, gone with the last of them."""

import os
import subprocess
import sys

import numpy as np
import pytest

from ultimate_deep.machine.anonymous_memory import ALIGNMENT, AnonymousMemory, Places


def test_another_process_sees_what_is_written_and_the_other_way_round():
    memory, places = AnonymousMemory(), Places()
    kind = np.dtype(np.float32)
    ours, theirs = (places.place(shape, kind) for shape in ((3,), (2, 2)))
    assert (ours[0], theirs[0], places.end) == (0, ALIGNMENT, ALIGNMENT + 16)
    memory.reserve(places.end)
    memory.array(*ours)[...] = [1, 2, 3]
    code = (
        "import sys, numpy as np\n"
        "from ultimate_deep.machine.anonymous_memory import AnonymousMemory\n"
        "memory = AnonymousMemory(int(sys.argv[1]))\n"
        "kind = np.dtype(np.float32)\n"
        f"total = memory.array({ours[0]}, (3,), kind).sum()\n"
        f"memory.array({theirs[0]}, (2, 2), kind)[...] = total\n"
    )
    command = [sys.executable, "-c", code, str(memory.descriptor)]
    subprocess.run(command, check=True, pass_fds=(memory.descriptor,))
    np.testing.assert_array_equal(memory.array(*theirs), np.full((2, 2), 6, np.float32))
    memory.close()


def test_it_grows_and_arrays_of_before_stay_the_same_bytes():
    memory = AnonymousMemory()
    kind = np.dtype(np.int64)
    memory.reserve(ALIGNMENT)
    before = memory.array(0, (2,), kind)
    memory.reserve(1 << 20)
    memory.array(0, (2,), kind)[...] = [4, 5]
    assert memory.array(1 << 19, (1,), kind)[0] == 0
    np.testing.assert_array_equal(before, [4, 5])
    memory.close()
    np.testing.assert_array_equal(before, [4, 5])
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(memory.descriptor)
