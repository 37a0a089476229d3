from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.case import LABELS
from karyonet.data.metaphases import AnnotatedChromosome, AnnotatedMetaphase
from karyonet.errors import DataError
from karyonet.evaluation.karyotype_content import content_of
from karyonet.evaluation.karyotype_truth import (
    KnownCase,
    annotated_case,
    belongs,
    read_known_cases,
    require_measurable,
)

EXAMPLES = Path(__file__).resolve().parent.parent / "data"
AUTOSOMES = [label for label in LABELS[:22] for _ in range(2)]


def metaphase(extra: str, mark: str = "normal", affected: str = "", lost: str = "") -> AnnotatedMetaphase:
    """With two of each autosome, the ``extra`` chromosomes (also X and Y), and without those ``lost``."""
    labels = list((Counter(AUTOSOMES) + Counter(extra.split()) - Counter(lost.split())).elements())
    truth = tuple(AnnotatedChromosome(label, (0, 0, 9, 9)) for label in labels)
    return AnnotatedMetaphase(
        "m", "case", Path("m.png"), 99, 99, truth, karyotype=mark, affected=tuple(affected.split())
    )


def known(*metaphases: AnnotatedMetaphase) -> KnownCase:
    return annotated_case("case", metaphases)


def test_a_normal_case() -> None:
    case = known(metaphase("X X"), metaphase("X"), metaphase("X X 5"), metaphase("X X", lost="21"))
    assert (case.kind, case.iscn, case.sex, case.note) == ("normal", "46,XX", "female", "")
    assert len(case.paths) == 4 and case.chromosomes == 46 + 45 + 47 + 45
    assert known(metaphase("X Y")).iscn == "46,XY"


def test_a_clonal_change_counts_unless_marks_and_some_metaphases_deny_it() -> None:
    case = known(metaphase("X X 21"), metaphase("X X 21", "numerical", lost="3"), metaphase("X X"))
    assert (case.kind, case.sex) == ("numerical", "female") and case.numerical == {"+21"}
    assert case.iscn == "mos 47,XX,+21[2]/46,XX[1]" and case.note == ""
    case = known(metaphase("X X 21"), metaphase("X X 21", lost="3"))
    assert (case.kind, case.iscn, case.note) == ("numerical", "47,XX,+21", "marked normal")
    case = known(*[metaphase("X X Y", "numerical", "X")] * 2)
    assert (case.kind, case.iscn, case.sex, case.note) == ("numerical", "47,XXY", "male", "")
    assert known(*[metaphase("X", "numerical")] * 3, metaphase("X Y")).iscn == "mos 45,X[3]/46,XY[1]"
    assert known(*[metaphase("X")] * 2, metaphase("X Y")).kind == "normal"


def test_a_structural_case() -> None:
    case = known(*[metaphase("X Y", "structural", "9 22 UNKNOW")] * 2, metaphase("X Y"))
    assert (case.kind, case.sex, case.iscn) == ("structural", "male", None) and case.affected == {"9", "22"}
    assert known(metaphase("X", "structural", "X")).kind == "structural"


@pytest.mark.parametrize(
    ("metaphases", "note"),
    [
        ([metaphase("X X"), metaphase("X X"), metaphase("X Y")], "XX, others as XY"),
        ([metaphase("X"), metaphase("X X Y")], "sex chromosomes"),
        ([metaphase("X X", affected="9"), metaphase("X X")], "(9)"),
        ([metaphase("X X 18", "numerical", "18")], "without a clonal change"),
        ([metaphase("X X", "unlabelled"), metaphase("X X")], "unlabelled"),
        ([metaphase("X X", "structural", "9"), metaphase("X X")], "not clonal"),
        ([metaphase("X"), metaphase("X"), metaphase("X"), metaphase("X Y")], "of some agree"),
    ],
)
def test_what_is_not_clear(metaphases: Sequence[AnnotatedMetaphase], note: str) -> None:
    case = annotated_case("case", metaphases)
    assert case.kind == "unclear" and note in case.note and not belongs(case, 1)


@settings(deadline=None)  # the parser is built at its first call
@given(
    st.lists(st.lists(st.sampled_from(["21", "8", "X", "Y"]), max_size=2), min_size=2, max_size=6),
    st.sampled_from(["X X", "X Y"]),
)
def test_the_string_of_a_case_shows_its_clonal_changes(extra: list[list[str]], sex: str) -> None:
    case = annotated_case("case", [metaphase(" ".join([sex, *more])) for more in extra])
    if case.kind in ("normal", "numerical"):
        assert case.iscn is not None
        content = content_of(case.iscn)
        assert content.numerical == case.numerical and content.sex == case.sex
        assert content.normal == (case.kind == "normal")


def test_normal_cases_need_enough_metaphases() -> None:
    few = known(metaphase("X X"), metaphase("X X"))
    assert belongs(few, 2) and not belongs(few, 3)
    assert belongs(known(*[metaphase("X X 21")] * 2), 3)
    require_measurable([few], 2, Path("d"), "metaphases")
    with pytest.raises(DataError, match=r"K401.*3 metaphases or more"):
        require_measurable([few], 3, Path("d"), "metaphases")


def test_simulated_cases(tmp_path: Path) -> None:
    for name in ("normal_female", "trisomy21"):
        shutil.copytree(EXAMPLES / name, tmp_path / name)
    truth = tmp_path / "normal_female" / "truth.json"
    truth.write_text(json.dumps({**json.loads(truth.read_text()), "karyotype": "46,XX,t(9;22)(q34;q11.2)"}))
    translocation, trisomy = read_known_cases(tmp_path, "simulated")
    assert (trisomy.id, trisomy.kind, trisomy.iscn) == ("trisomy21", "numerical", "47,XY,+21")
    assert trisomy.numerical == {"+21"}
    assert [path.name for path in trisomy.paths] == [f"m00{n}.png" for n in range(1, 6)] and trisomy.chromosomes == 235
    assert (translocation.kind, translocation.exact) == ("structural", True) and translocation.affected == {"9", "22"}
    assert [case.id for case in read_known_cases(tmp_path / "trisomy21", "simulated")] == ["trisomy21"]
    assert [len(case.paths) for case in read_known_cases(tmp_path, "simulated", limit=1)] in ([1], [5])
    assert len(read_known_cases(tmp_path, "simulated", split="test")) == 2


def test_annotated_numbers_of_simulated_images() -> None:
    (case,) = read_known_cases(EXAMPLES / "trisomy21", "metaphases")
    assert (case.kind, case.iscn, case.exact, case.note) == ("numerical", "47,XY,+21", False, "")


def code(folder: Path, format: str = "simulated", split: str | None = None) -> str:
    with pytest.raises(DataError) as caught:
        read_known_cases(folder, format, split=split)
    return caught.value.code


def test_bad_data(tmp_path: Path) -> None:
    folder = shutil.copytree(EXAMPLES / "normal_female", tmp_path / "case")
    assert code(tmp_path, "strips") == "K407"
    assert code(tmp_path / "nowhere") == "K401"
    assert code(folder, split="train") == "K403"
    for text in ("{", "{}", '{"karyotype": "XX"}', "[]"):
        (folder / "truth.json").write_text(text)
        assert code(folder) == "K402"
    (folder / "truth.json").unlink()
    assert code(folder) == "K401"


def test_cells_without_marks(tmp_path: Path) -> None:
    folder = shutil.copytree(EXAMPLES / "normal_female", tmp_path / "case")
    with (folder / "cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    (folder / "cells.csv").write_text("\n".join(["image,case", *(f"{row['image']},{row['case']}" for row in rows)]))
    with pytest.raises(DataError, match=r"K401.*column karyotype"):
        read_known_cases(folder, "metaphases")
    (folder / "cells.csv").write_text("image\nm001\n")
    with pytest.raises(DataError, match=r"K401.*column case"):
        read_known_cases(folder, "metaphases")


def test_the_public_metaphases(real_data: Path, tmp_path: Path) -> None:
    """The validation split as a data set of its own, which is read faster than the whole."""
    data = real_data / "gband_metaphases"
    (tmp_path / "images").symlink_to(data / "images")
    header, *cells = (data / "cells.csv").read_text().splitlines()
    cells = [row for row in cells if row.endswith(",validation")]
    names = {row.split(",")[0] for row in cells}
    columns, *boxes = (data / "chromosomes.csv").read_text().splitlines()
    (tmp_path / "cells.csv").write_text("\n".join([header, *cells]))
    (tmp_path / "chromosomes.csv").write_text("\n".join([columns, *(b for b in boxes if b.split(",")[0] in names)]))
    cases = read_known_cases(tmp_path, "metaphases")
    kinds = Counter(case.kind for case in cases)
    assert len(cases) == 111 and kinds["normal"] > 100
    assert all(case.iscn in ("46,XX", "46,XY") for case in cases if case.kind == "normal")
