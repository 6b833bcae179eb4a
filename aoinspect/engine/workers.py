"""Where MACs are checked beside this process: a pool of processes of our own, or any `concurrent.futures.Executor`.

A pool is started when there is enough to do for the first time. Octets reach its processes in shared memory. What
workers fail to do is done here: a worker that is killed, or an executor that breaks, costs time and a word, and never a
verdict.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from aoinspect.engine.locate import Mask
from aoinspect.engine.mac_tasks import Array, Inline, MacTask, Shared, Shipment, forget, run, sizes_of

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

FOREIGN_JOBS = 8
"""Batches that an executor of somebody else's is given at a time."""


_PIECES = 4
"""Tasks that a batch is cut into, for each worker."""


def processors() -> int:
    """How many processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def process_pool(processes: int) -> ProcessPoolExecutor:
    """A pool whose processes leave SIGINT to this one, and end with it.

    They are forked where that is safe and known to be fast, since they need no imports of their own then.
    """
    # Loaded where a pool is started: most runs start none.
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    can_fork = sys.platform.startswith("linux") and threading.active_count() == 1
    context = multiprocessing.get_context("fork" if can_fork else "spawn")
    return ProcessPoolExecutor(processes, mp_context=context, initializer=_begin_worker)


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


_block_numbers = count()


class _Block:
    """A block of memory that other processes of this machine can map."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._number = next(_block_numbers)
        if hasattr(os, "memfd_create"):
            # It has no name that could be left behind.
            self._descriptor = os.memfd_create("aoinspect", os.MFD_CLOEXEC)
            self.path, self._name = f"/proc/{os.getpid()}/fd/{self._descriptor}", None
        else:
            import tempfile

            self._descriptor, self.path = tempfile.mkstemp(prefix="aoinspect-")
            self._name = self.path
        os.ftruncate(self._descriptor, size)
        self._map = mmap.mmap(self._descriptor, size)

    def put(self, arrays: Sequence[Array], entries: tuple[tuple[str, int, int], ...]) -> Shared:
        """Copies `arrays` into the block."""
        for array, (dtype, offset, length) in zip(arrays, entries, strict=True):
            np.frombuffer(self._map, dtype=dtype, count=length, offset=offset)[:] = array
        return Shared(self.path, self._number, self.size, next(_block_numbers), entries)

    def close(self) -> None:
        with suppress(BufferError):  # An array looks at it still; it goes with that.
            self._map.close()
        os.close(self._descriptor)
        if self._name is not None:
            with suppress(OSError):
                os.unlink(self._name)


class Job:
    """A task on its way."""

    __slots__ = ("answer", "future", "task")

    def __init__(self, task: MacTask) -> None:
        self.task = task
        self.answer: Mask | None = None
        """What it gave, where it was done here before it was asked for."""
        self.future: Future[Mask] | None = None
        """None until a worker is given the task."""


class Workers:
    """Runs tasks elsewhere; a context manager, which ends what it has started."""

    def __init__(self, jobs: int | None = None, executor: Executor | None = None) -> None:
        """`jobs` processes in all, this one included (None: as many as there are processors). 1 starts none.

        With an `executor` (which stays the caller's to end) tasks go there, and `jobs` is how many batches are under
        way at a time. Its workers may be on other machines: octets and traffic keys travel within the tasks.
        """
        self.problem: str | None = None
        """Why nothing is given to workers any more."""
        self._executor = executor
        self._is_foreign = executor is not None
        default = FOREIGN_JOBS if self._is_foreign else processors()
        self._jobs = max(1, jobs if jobs is not None else default)
        self._pool: ProcessPoolExecutor | None = None
        self._blocks: list[_Block] = []
        self._free: list[_Block] = []
        self._lock = threading.RLock()
        self._backlog: deque[Job] = deque()
        self._given_out = 0
        """Tasks that workers have and have not answered."""

    @property
    def batches_ahead(self) -> int:
        """How many batches may be prepared before the first of them is judged; 0: there are no workers."""
        if self.problem is not None or (self._jobs == 1 and not self._is_foreign):
            return 0
        return self._jobs if self._is_foreign else 1

    @property
    def pieces(self) -> int:
        """In how many tasks a batch's work is cut.

        What no worker has begun when it is needed is done here, so there are more pieces than workers. An executor of
        somebody else's is given whole batches: each task has its octets with it.
        """
        return 1 if self._is_foreign else _PIECES * (self._jobs - 1)

    def ship(self, arrays: Sequence[Array]) -> Shipment:
        """Makes `arrays` reach the workers; give back what this returns when its tasks are done."""
        if self._is_foreign:
            return Inline(tuple(arrays))
        entries, size = sizes_of(arrays)
        block = next((block for block in self._free if block.size >= size), None)
        if block is None:
            # Room to spare, for the next batch may be a little larger.
            block = _Block(-(-size * 5 // 4 // mmap.PAGESIZE) * mmap.PAGESIZE)
            self._blocks.append(block)
        else:
            self._free.remove(block)
        return block.put(arrays, entries)

    def take_back(self, shipment: Shipment) -> None:
        """The shipment's tasks are done: its memory may be used again."""
        if isinstance(shipment, Shared):
            self._free += [block for block in self._blocks if block.path == shipment.path]

    def submit(self, task: MacTask) -> Job:
        """Hands `task` over, in its turn."""
        job = Job(task)
        with self._lock:
            self._backlog.append(job)
            self._give_out()
        return job

    def result(self, job: Job) -> Mask:
        """What a task gives: by its worker, or here if none has begun with it, or if its worker failed.

        While a worker is busy with it, other tasks are done here.
        """
        if job.answer is not None:
            return job.answer
        if self.withdraw(job):
            return run(job.task)
        assert job.future is not None
        while not job.future.done() and (other := self._take_last()) is not None:
            other.answer = run(other.task)
        try:
            return job.future.result()
        except Exception as error:  # noqa: BLE001 - an executor is anybody's; here it is done again, and raises for real
            self._note(error)
            return run(job.task)

    def _take_last(self) -> Job | None:
        """The task that workers would come to last; None where they have been given all."""
        with self._lock:
            return self._backlog.pop() if self._backlog else None

    def withdraw(self, job: Job) -> bool:
        """Takes a task back that no worker was given yet; False where one was."""
        # A future is never cancelled: a pool that breaks meanwhile would lose the others with it.
        with self._lock:
            if job.future is None and job in self._backlog:
                self._backlog.remove(job)
            return job.future is None

    def _give_out(self) -> None:
        """Keeps every worker busy and one task ready; what is left waits here, where it can be taken back."""
        while self._backlog and self._given_out < self._jobs and self.problem is None:
            job = self._backlog.popleft()
            try:
                job.future = self._started().submit(run, job.task)
            except Exception as error:  # noqa: BLE001 - an executor is anybody's
                self._note(error)
                return
            self._given_out += 1
            job.future.add_done_callback(self._take_back_slot)

    def _take_back_slot(self, _: Future[Mask]) -> None:
        with self._lock:
            self._given_out -= 1
            self._give_out()

    def _started(self) -> Executor:
        if self._executor is None:
            self._executor = self._pool = process_pool(self._jobs - 1)
        return self._executor

    def _note(self, error: Exception) -> None:
        # Only what kind of error it is: its text may quote a task.
        self.problem = self.problem or f"a worker failed ({type(error).__name__}); went on without workers"

    def close(self) -> None:
        """Ends the pool and frees the shared memory."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        forget()
        for block in self._blocks:
            block.close()
        self._blocks, self._free = [], []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
