from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from karyonet.case import Case, Metaphase
from karyonet.errors import ConfigError, InputError
from karyonet.report import Provenance, Report, file_stems, html, overlay, pdf

NAMES = {
    "report.json",
    "report.html",
    "chromosomes.coco.json",
    *(f"m{number}.{kind}.png" for number in (1, 2, 3) for kind in ("karyogram", "overlay")),
}


@pytest.fixture
def report(case: Case, provenance: Provenance) -> Report:
    return Report(case, provenance)


@pytest.fixture(scope="module")
def small(make_metaphase: Callable[..., Metaphase], provenance: Provenance) -> Report:
    return Report(Case("small", (make_metaphase(("1", "1"), grey=np.full((74, 400), 0.5, np.float32)),)), provenance)


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_a_report_answers_for_its_case(report: Report, case: Case) -> None:
    assert str(report.karyotype) == "47,XY,+21"
    assert report.findings == case.findings
    assert report.metaphases == case.metaphases
    assert report.errors == case.errors
    assert str(Report(Case("a"), report.provenance).karyotype) == "undetermined"


def test_save_writes_the_files_of_a_report(report: Report, tmp_path: Path) -> None:
    folder = report.save(tmp_path / "deep" / "out")
    assert folder == tmp_path / "deep" / "out"
    assert names(folder) == NAMES
    assert names(folder.parent) == {"out"}
    assert (folder / "report.json").read_text("utf-8") == report.to_json()
    for path in folder.glob("*.png"):
        with Image.open(path) as picture:
            picture.verify()


def test_load_reads_it_back(report: Report, tmp_path: Path) -> None:
    loaded = Report.load(report.save(tmp_path / "out"))
    assert loaded.to_document() == report.to_document()
    for restored, original in zip(loaded.metaphases, report.metaphases, strict=True):
        for first, second in zip(restored.chromosomes, original.chromosomes, strict=True):
            assert np.array_equal(first.region.mask, second.region.mask)


def test_saving_a_loaded_report_keeps_its_pictures(small: Report, tmp_path: Path) -> None:
    folder = small.save(tmp_path / "out")
    before = {path.name: np.asarray(Image.open(path)) for path in folder.glob("*.png")}
    Report.load(folder).save(folder)
    after = {path.name: np.asarray(Image.open(path)) for path in folder.glob("*.png")}
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_an_earlier_report_is_replaced_whole(report: Report, small: Report, tmp_path: Path) -> None:
    report.save(tmp_path / "out")
    folder = small.save(tmp_path / "out")
    assert names(folder) == {
        "report.json",
        "report.html",
        "chromosomes.coco.json",
        "m1.karyogram.png",
        "m1.overlay.png",
    }
    assert names(tmp_path) == {"out"}


def test_an_empty_folder_is_used(small: Report, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert "report.json" in names(small.save(tmp_path / "out"))


def test_a_link_to_a_folder_stays_a_link(small: Report, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    small.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert "report.json" in names(tmp_path / "real")


@pytest.mark.parametrize("entry", ["thesis.docx", "m1.png", "report.html", "sub/report.json"])
def test_a_folder_of_other_files_is_refused_and_left_alone(small: Report, tmp_path: Path, entry: str) -> None:
    path = tmp_path / "out" / entry
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(ConfigError, match=f"K210.*{entry.split('/')[0]}"):
        small.save(tmp_path / "out")
    assert path.read_text() == "mine"
    assert names(tmp_path) == {"out"}


def test_a_report_with_a_foreign_file_beside_it_is_refused(small: Report, tmp_path: Path) -> None:
    folder = small.save(tmp_path / "out")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"K210.*notes\.txt"):
        small.save(folder)
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("content", ["{}", "[]", "mine", '{"schema": "other/1"}'])
def test_another_programs_report_json_is_refused(small: Report, tmp_path: Path, content: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.json").write_text(content)
    with pytest.raises(ConfigError, match="K210"):
        small.save(tmp_path / "out")
    assert (tmp_path / "out" / "report.json").read_text() == content


def test_a_file_in_the_way_is_refused(small: Report, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ConfigError, match="K209"):
        small.save(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("fault", ["draw", "page", "write", "swap"])
def test_a_failure_leaves_nothing_behind_and_the_earlier_report_whole(
    small: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, earlier: bool
) -> None:
    target = tmp_path / "out"
    if earlier:
        small.save(target)
    before = {path.name: path.read_bytes() for path in target.iterdir()} if earlier else None

    def fail(*_: object, **__: object) -> None:
        raise OSError("no space left")

    write, rename, written = Path.write_bytes, Path.rename, []

    def fail_late(path: Path, content: bytes) -> int:
        written.append(path)
        return write(path, content) if len(written) < 4 else fail()  # type: ignore[func-returns-value]

    def fail_new(path: Path, new: Path) -> Path:
        return fail() if path.name.endswith(".new") else rename(path, new)  # type: ignore[func-returns-value]

    if fault == "draw":
        monkeypatch.setattr(overlay, "draw_overlay", fail)
    elif fault == "page":
        monkeypatch.setattr(html, "render_html", fail)
    elif fault == "write":
        monkeypatch.setattr(Path, "write_bytes", fail_late)
    else:
        monkeypatch.setattr(Path, "rename", fail_new)
    with pytest.raises(OSError, match="no space left"):
        Report(replace(small.case, id="next"), small.provenance).save(target)
    monkeypatch.undo()
    if before is None:
        assert names(tmp_path) == set()
    else:
        assert names(tmp_path) == {"out"}
        assert {path.name: path.read_bytes() for path in target.iterdir()} == before


def test_a_file_name_that_is_no_utf8_is_spelt_out(small: Report, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    metaphase = replace(small.metaphases[0], image=name)
    report = Report(Case(name, (metaphase,)), small.provenance)
    loaded = Report.load(report.save(tmp_path / "out"))
    assert loaded.case.id == loaded.metaphases[0].image == "caf\\udce9.png"


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_others_may_read_a_report_as_far_as_the_umask_allows(small: Report, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert small.save(tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("ids", "stems"),
    [
        (("m1", "m2"), ["m1", "m2"]),
        (("../../etc/passwd",), ["etc_passwd"]),
        (("a b", "a/b", "A_B"), ["a_b", "a_b-2", "A_B-3"]),
        (("", "..", "中"), ["metaphase", "metaphase-2", "metaphase-3"]),
        (("x" * 300,), ["x" * 80]),
    ],
)
def test_picture_names_are_safe_and_unique(
    make_metaphase: Callable[..., Metaphase], ids: tuple[str, ...], stems: list[str]
) -> None:
    assert file_stems(tuple(replace(make_metaphase(()), id=id) for id in ids)) == stems


def test_loading_what_is_no_report_is_an_error(small: Report, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="K101"):
        Report.load(tmp_path)
    folder = small.save(tmp_path / "out")
    written = json.loads((folder / "report.json").read_text("utf-8"))
    written["karyotype"]["outcome"] = "fine"
    (folder / "report.json").write_text(json.dumps(written))
    with pytest.raises(InputError, match=r"K114.*karyotype\.outcome"):
        Report.load(folder)
    (folder / "report.json").write_text("{")
    with pytest.raises(InputError, match="K114"):
        Report.load(folder)


@pytest.mark.parametrize("content", ["{", "{}", '{"images": [], "annotations": [{}]}', "[]"])
def test_damaged_masks_are_an_error(small: Report, tmp_path: Path, content: str) -> None:
    folder = small.save(tmp_path / "out")
    (folder / "chromosomes.coco.json").write_text(content)
    with pytest.raises(InputError, match=r"K114.*coco"):
        Report.load(folder)


def test_pdf(small: Report, tmp_path: Path) -> None:
    if not pdf.available():
        pytest.skip("WeasyPrint or the Pango library of the system is not installed")
    folder = small.save(tmp_path / "out", pdf=True)
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_a_pdf_leaves_damaged_images_an_error(tmp_path: Path) -> None:
    if not pdf.available():
        pytest.skip("WeasyPrint or the Pango library of the system is not installed")
    pdf.render_pdf("<p>a</p>")
    whole = tmp_path / "whole.png"
    Image.effect_noise((200, 200), 60).save(whole)
    (tmp_path / "half.png").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(InputError, match="K1"):
        Case.read(tmp_path / "half.png")
    Case.read(whole)


def test_a_pdf_loads_nothing_from_outside(tmp_path: Path) -> None:
    if not pdf.available():
        pytest.skip("WeasyPrint or the Pango library of the system is not installed")
    secret = tmp_path / "secret.png"
    Image.new("RGB", (300, 300), "red").save(secret)
    plain = pdf.render_pdf("<p>a</p>")
    assert len(pdf.render_pdf(f"<p>a</p><img src='{secret.as_uri()}'>")) < len(plain) + 200


@pytest.mark.parametrize(("fault", "code"), [(ImportError("no module"), "K110"), (OSError("no pango\nlong"), "K211")])
def test_without_weasyprint_a_pdf_is_an_error_that_names_the_cure(
    small: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception, code: str
) -> None:
    import builtins

    real = builtins.__import__

    def no_weasyprint(name: str, *arguments: object, **named: object) -> object:
        if name.startswith("weasyprint"):
            raise fault
        return real(name, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", no_weasyprint)
    with pytest.raises((InputError, ConfigError), match=code):
        small.save(tmp_path / "out", pdf=True)
    assert names(tmp_path) == set()
