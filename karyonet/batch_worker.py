"""Worker processes of a batch: each loads the models once and makes one report after the other.

A process that dies takes one case with it, not the batch: the parent knows which case it held, and starts another.
Nothing heavy is imported here, so that a worker can divide the cores before the libraries that use them are loaded.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING

from karyonet.errors import KaryonetError, StageError

if TYPE_CHECKING:
    from karyonet.batch_record import Program
    from karyonet.config import PipelineConfig
    from karyonet.pipeline import Pipeline
    from karyonet.report.summary import CaseRow

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_POLL, _PATIENCE = 0.2, 5.0
"""Seconds between two looks at whether to stop, and for a process to end by itself."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchCase:
    """One case of a batch: its id, the folder of its images, and the name of the folder for its report."""

    id: str
    source: Path
    name: str


@dataclass(frozen=True)
class Setup:
    """What every worker needs: the configuration, where reports go, who makes them, whether a PDF is written."""

    settings: PipelineConfig
    out: Path
    program: Program
    pdf: bool = False


def run_in_workers(
    cases: Sequence[BatchCase], setup: Setup, jobs: int, threads: int, stopped: Callable[[], bool]
) -> Generator[tuple[BatchCase, CaseRow], None, None]:
    """Make reports in several processes.

    Args:
        cases: what to report on.
        setup: how.
        jobs: how many processes at most.
        threads: how many threads each may use.
        stopped: asked several times a second; once it says yes, the processes are ended and nothing more is yielded.

    Yields:
        Every case and its row as it ends, in no particular order. A case that fails is a row that says so.

    Raises:
        KaryonetError: if no process could load the models.
    """
    from karyonet.report.summary import CaseRow

    waiting = deque(cases)
    workers = [_Worker(setup, threads) for _ in range(min(jobs, len(waiting)))]
    try:
        while workers and not stopped():
            ready = wait([worker.connection for worker in workers], timeout=_POLL)
            for worker in [one for one in workers if one.connection in ready]:
                case = worker.case
                answer = worker.answer()
                if stopped():  # a process that the same signal has ended did not fail
                    return
                if isinstance(answer, KaryonetError):  # the process is gone, and with it the case that it held
                    worker.end()
                    workers.remove(worker)
                    if case is not None:
                        yield case, CaseRow.failed(case.id, answer)
                        workers += [_Worker(setup, threads)] if waiting else []
                    elif waiting and not workers:
                        raise answer
                    continue
                if case is not None and answer is not None:
                    yield case, answer
                if waiting:
                    worker.begin(waiting.popleft())
                else:
                    worker.end()
                    workers.remove(worker)
    finally:
        for worker in workers:
            worker.end(now=True)


class _Worker:
    """One process, seen from the parent."""

    def __init__(self, setup: Setup, threads: int) -> None:
        context = get_context("spawn")  # torch and OpenCV keep threads that do not survive a fork
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, threads), daemon=True)
        with _interrupts_held():
            self.process.start()
        theirs.close()
        self.case: BatchCase | None = None
        self._send(setup)

    def begin(self, case: BatchCase) -> None:
        """Hand over a case."""
        self.case = case
        self._send(case)

    def answer(self) -> CaseRow | KaryonetError | None:
        """A row; None once the models are loaded; an error if they could not be, or if the process has died."""
        try:
            answer: CaseRow | KaryonetError | None = self.connection.recv()
        except (EOFError, OSError):
            self.end()
            stage, image = ("batch", self.case.id) if self.case else ("loading", "the models")
            answer = StageError("K901", stage=stage, image=image, reason=self._end)
        self.case = None
        return answer

    def end(self, now: bool = False) -> None:
        """Let the process end, by force if need be."""
        if now:
            self.process.terminate()
        self.connection.close()
        self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()

    @property
    def _end(self) -> str:
        code = self.process.exitcode or 0
        if code < 0:
            return f"its process was ended by signal {-code}, perhaps for want of memory; try fewer --jobs"
        return f"its process ended with status {code}"

    def _send(self, what: Setup | BatchCase) -> None:
        with suppress(OSError):  # it has died; reading from it says so
            self.connection.send(what)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C, which a terminal sends to all processes, does not disturb what is started within: the parent ends it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # its start would let the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(connection: Connection, threads: int) -> None:
    """The life of a worker: load the models, then a row for every case, until the parent closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    limit_threads(threads)
    try:
        setup: Setup = connection.recv()
        from karyonet.pipeline import Pipeline

        try:
            pipeline = Pipeline.from_config(setup.settings)
        except Exception as fault:
            connection.send(_as_error(fault, "loading", "the models"))
            return
        connection.send(None)
        while True:
            connection.send(report_case(connection.recv(), pipeline, setup))
    except (EOFError, BrokenPipeError):
        return


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # in the middle of whatever it is: nobody waits for it, and another batch may begin


def limit_threads(threads: int) -> None:
    """Let the numerical libraries use so many threads at most; a lower limit in the environment stands.

    Before they are imported: most of them look only then.
    """
    for name in _THREAD_VARIABLES:
        asked = os.environ.get(name, "")
        if not (asked.isdecimal() and 0 < int(asked) <= threads):
            os.environ[name] = str(threads)
    import cv2

    cv2.setNumThreads(int(os.environ["OMP_NUM_THREADS"]))


def report_case(case: BatchCase, pipeline: Pipeline, setup: Setup) -> CaseRow:
    """Read a case, run the pipeline, put the report in place and remember from what it was made.

    Returns:
        The case's row; one that says ``failed``, with nothing written, if there is no report.
    """
    from karyonet.batch_record import Origin, Record, Records, sha256_of, unwritable
    from karyonet.case import Case
    from karyonet.report.folder import check_target
    from karyonet.report.summary import CaseRow

    start = time.perf_counter()
    try:
        target = setup.out / case.name
        check_target(target)
        origin = Origin.of(setup.program, case.id, case.source)  # before reading: a later change is seen next time
        read = Case.read(case.source, case_id=case.id, limits=setup.settings.reading)
        report = pipeline(read)
        document = report.to_document()
        seconds = round(time.perf_counter() - start, 3)
        record = Record(origin=origin, report_sha256=sha256_of(document), seconds=seconds)
        try:
            with Records(setup.out).writing(case.name, record):
                report.save(target, pdf=setup.pdf)
        except OSError as fault:
            raise unwritable(target, fault) from fault
        return CaseRow.of(document, case.name, seconds)
    except Exception as fault:  # one case must not stop the others
        return CaseRow.failed(case.id, _as_error(fault, "batch", case.id))


def _as_error(fault: Exception, stage: str, image: str) -> KaryonetError:
    if isinstance(fault, KaryonetError):
        return fault
    logger.error("%s failed", image, exc_info=fault)
    return StageError("K901", stage=stage, image=image, reason=f"{type(fault).__name__}: {fault}")
