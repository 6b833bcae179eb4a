"""MACs checked by a Dask cluster, as a farm of machines would: workers that share no memory with us."""

from __future__ import annotations

import pytest

import aoinspect
from aoinspect.engine import foresight
from aoinspect.engine.mac_tasks import MacTask
from aoinspect.engine.workers import Job, Workers
from aoinspect.report.json_form import report_object
from tests.recorded import SAMPLES

distributed = pytest.importorskip("distributed", reason="distributed is not installed")


@pytest.mark.parametrize("name", ["rotation", "inject"])
def test_a_dask_cluster_gives_the_report_of_one_process(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foresight, "WORTHWHILE_ROWS", 1)
    submitted: list[MacTask] = []
    submit = Workers.submit

    def counted(self: Workers, task: MacTask) -> Job:
        submitted.append(task)
        return submit(self, task)

    monkeypatch.setattr(Workers, "submit", counted)
    capture, keys = SAMPLES / f"{name}.pcap", SAMPLES / f"{name}.toml"
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None, scheduler_port=0
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        report = aoinspect.verify(capture, keys, executor=client.get_executor())
    assert submitted
    assert report_object(report) == report_object(aoinspect.verify(capture, keys))
