from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from karyonet.data import read_format
from karyonet.data.cluster_objects import read_cluster_objects
from karyonet.data.formats import FORMATS
from karyonet.errors import DataError


@pytest.mark.parametrize(
    ("format", "stage", "items"),
    [
        ("metaphases", "pipeline", 3),
        ("strips", "classification", 3),
        ("mfish", "segmentation", 1),
        ("clusters", "cluster_type", 1),
    ],
)
def test_every_format_is_read_by_its_name(format: str, stage: str, items: int, request: pytest.FixtureRequest) -> None:
    directory: Path = request.getfixturevalue(format)
    assert len(read_format(directory, format, stage=stage)) == items
    assert len(read_format(str(directory), format, stage=stage, limit=1)) <= items


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_whatever_is_mandatory_is_missed(format: str, request: pytest.FixtureRequest) -> None:
    directory: Path = request.getfixturevalue(format)
    stage = min(FORMATS[format].stages)
    for name in FORMATS[format].mandatory:
        (directory / name).rename(directory / "away")
        with pytest.raises(DataError, match=f"K401.*{format}.*{name}"):
            read_format(directory, format, stage=stage)
        (directory / "away").rename(directory / name)
    for table, columns in FORMATS[format].columns.items():
        text = (directory / table).read_text()
        for column in columns:
            (directory / table).write_text(text.replace(column, "other", 1))
            with pytest.raises(DataError, match=f"K401.*{table}.*the column {column}"):
                read_format(directory, format, stage=stage)
        header = text.splitlines()[0]
        (directory / table).write_text(header + "\n")
    if "cells.csv" not in FORMATS[format].columns:
        (directory / "cells.csv").unlink(missing_ok=True)
    with pytest.raises(DataError, match=r"K401.*at least one row"):
        read_format(directory, format, stage=stage)


def test_a_format_that_does_not_fit_the_stage_is_refused(clusters: Path) -> None:
    with pytest.raises(DataError, match=r"K407.*clusters.*pipeline.*metaphases"):
        read_format(clusters, "clusters", stage="pipeline")
    with pytest.raises(DataError, match=r"K407.*nonsense"):
        read_format(clusters, "nonsense", stage="classification")
    with pytest.raises(DataError, match=r"K401.*nowhere"):
        read_format(clusters / "nowhere", "clusters", stage="cluster_type")


def test_cluster_objects(clusters: Path) -> None:
    (item,) = read_cluster_objects(clusters)
    assert (item.id, item.case, item.kind, item.path.is_file()) == ("cluster/k.png", "c1", "cluster", True)
    table = clusters / "objects.csv"
    table.write_text("image,case,kind\ncluster/k.png,c1,blob\n")
    with pytest.raises(DataError, match=r"K402.*line 2: kind must be"):
        read_cluster_objects(clusters)
    table.write_text("image,case,kind\ncluster/j.png,c1,cluster\n")
    with pytest.raises(DataError, match=r"K404.*cluster/j.png"):
        read_cluster_objects(clusters)


def test_the_public_cluster_sample(real_data: Path) -> None:
    kinds = [item.kind for item in read_cluster_objects(real_data / "chrcluster_sample")]
    assert (kinds.count("chromosome"), kinds.count("cluster")) == (531, 111)


def test_importing_the_package_stays_light() -> None:
    code = "import sys, karyonet.data; print(any(m in sys.modules for m in ('torch', 'scipy', 'skimage', 'PIL')))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
