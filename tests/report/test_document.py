from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from karyonet.case import LABELS, Case, Finding, Metaphase
from karyonet.report import NOTICE, Provenance, Report, ReportDocument, from_document, json_schema, to_document
from karyonet.report.coco import read_masks, to_coco

GOLDEN = Path(__file__).with_name("golden") / "report.json"

text = st.text(max_size=8)
share = st.floats(0, 1)
labels = st.sampled_from(LABELS)
outcomes = st.sampled_from(["normal", "abnormal", "undetermined"])
texts = st.lists(text, max_size=2)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-1, 1) | text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2),
    max_leaves=3,
)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[int, int, int, int]:
    x, y = draw(st.integers(0, 30)), draw(st.integers(0, 30))
    return x, y, x + draw(st.integers(1, 10)), y + draw(st.integers(1, 10))


chromosomes = st.fixed_dictionaries(
    {
        "bbox": boxes(),
        "label": st.none() | labels,
        "confidence": st.none() | share,
        "alternatives": st.lists(st.fixed_dictionaries({"label": labels, "confidence": share}), max_size=2),
        "label_set": st.lists(labels, max_size=3),
        "outlier": st.none() | share,
        "p_arm_up": st.none() | st.booleans(),
        "review": st.booleans(),
        "cluster": st.none() | text,
        "homolog": st.none() | text,
        "centromere": st.none()
        | st.fixed_dictionaries(
            {
                "position": share,
                "confidence": share,
                "short_arm_up": share,
                "point": st.none() | st.tuples(st.floats(0, 60), st.floats(0, 60)),
            }
        ),
    }
)
clusters = st.fixed_dictionaries(
    {
        "bbox": boxes(),
        "type": st.sampled_from([None, "instance", "touching", "overlapping", "touching_overlapping"]),
        "probability": st.none() | share,
        "chromosomes": texts,
    }
)
guidelines = st.fixed_dictionaries(
    {
        "name": text,
        "demands": st.lists(
            st.fixed_dictionaries(
                {
                    "what": st.sampled_from(["counted", "analysed", "karyotyped", "band_level"]),
                    "needed": st.integers(0, 30),
                    "found": st.none() | st.integers(0, 30) | st.floats(0, 900),
                }
            ),
            max_size=4,
        ),
    }
)
metaphases = st.fixed_dictionaries(
    {
        "image": text,
        "sha256": text,
        "width": st.integers(40, 60),
        "height": st.integers(40, 60),
        "contrast": st.sampled_from(["absorption", "fluorescence"]),
        "quality": st.none() | st.fixed_dictionaries({"score": share, "flags": texts}),
        "band_level": st.none()
        | st.fixed_dictionaries(
            {
                "bphs": st.floats(100, 900),
                "interval": st.tuples(st.floats(100, 900), st.floats(100, 900)),
                "class": st.integers(300, 850),
                "estimator": st.none() | text,
                "chromosomes": texts,
            }
        ),
        "band_level_reason": st.none() | text,
        "count": st.none() | st.integers(0, 100),
        "iscn": st.none() | text,
        "outcome": outcomes,
        "reasons": texts,
        "state": st.sampled_from([None, "counted", "analysed", "karyotyped"]),
        "clusters": st.lists(clusters, max_size=2),
        "chromosomes": st.lists(chromosomes, max_size=3),
    }
)


@st.composite
def documents(draw: st.DrawFn) -> ReportDocument:
    found = draw(st.lists(metaphases, max_size=2))
    for number, metaphase in enumerate(found, 1):
        metaphase["id"] = f"m{number}"
        for kind, letter in (("chromosomes", "c"), ("clusters", "k")):
            for place, entry in enumerate(metaphase[kind], 1):
                entry["id"] = f"{letter}{place}"
    errors = draw(st.lists(st.fixed_dictionaries({"image": text, "code": text, "message": text}), max_size=2))
    images = len(found) + len({e["image"] for e in errors} - {m["image"] for m in found})
    return ReportDocument.model_validate(
        {
            "schema": "karyonet.report/1",
            "case": {"id": draw(text), "images": images},
            "karyotype": {
                "iscn": draw(st.none() | text),
                "outcome": draw(outcomes),
                "clones": draw(st.lists(st.fixed_dictionaries({"iscn": text, "metaphases": texts}), max_size=2)),
                "reasons": draw(texts),
                "mosaicism_excluded": draw(st.none() | share),
            },
            "guideline": draw(st.none() | guidelines),
            "findings": draw(
                st.lists(
                    st.fixed_dictionaries(
                        {
                            "kind": st.sampled_from(["numerical", "structural", "heteromorphism"]),
                            "chromosome": labels,
                            "change": st.sampled_from(["gain", "loss", "unknown"]),
                            "iscn": st.none() | text,
                            "score": share,
                            "metaphases": texts,
                            "clonal": st.booleans(),
                            "evidence": st.dictionaries(text, json_values, max_size=2),
                        }
                    ),
                    max_size=2,
                )
            ),
            "metaphases": found,
            "errors": errors,
            "provenance": {"config_sha256": draw(st.none() | text), "seconds": {"segmentation": draw(st.floats(0, 9))}},
        }
    )


@settings(max_examples=25, deadline=None)
@given(documents())
def test_a_document_survives_being_a_case(document: ReportDocument) -> None:
    assert to_document(from_document(document), document.provenance) == document


@settings(max_examples=25, deadline=None)
@given(documents())
def test_what_is_written_is_valid_and_reads_back(document: ReportDocument) -> None:
    written = document.to_json()
    jsonschema.Draft202012Validator(json_schema()).validate(json.loads(written))
    assert ReportDocument.model_validate_json(written) == document


def test_the_schema_is_itself_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_golden(case: Case, provenance: Provenance) -> None:
    """The written form may change only on purpose: then write this text into the golden file."""
    assert json.loads(Report(case, provenance).to_json()) == json.loads(GOLDEN.read_text("utf-8"))


def test_names_and_nesting_of_version_1(case: Case, provenance: Provenance) -> None:
    written = json.loads(Report(case, provenance).to_json())
    top = {"schema", "case", "karyotype", "findings", "metaphases", "errors", "provenance"}
    assert set(written) >= top
    assert written["schema"] == "karyonet.report/1"
    assert written["case"] == {"id": "105076", "images": 4}
    metaphase = written["metaphases"][0]
    assert set(metaphase) >= {"id", "image", "sha256", "width", "height", "quality", "band_level", "count", "iscn"}
    assert set(metaphase) >= {"outcome", "clusters", "chromosomes"}
    assert metaphase["band_level"].items() >= {"bphs": 480, "interval": [420, 545], "class": 550}.items()
    assert metaphase["chromosomes"][0] == {
        "id": "c1",
        "bbox": [15, 5, 27, 69],
        "label": "1",
        "confidence": 0.9,
        "alternatives": [{"label": "11", "confidence": 0.05}],
        "label_set": ["1", "11"],
        "outlier": 0.25,
        "p_arm_up": False,
        "review": False,
        "cluster": "k1",
        "homolog": "c2",
        "centromere": {
            "position": 0.375,
            "confidence": 0.875,
            "short_arm_up": 0.96875,
            "point": [21.0, 29.0],
            "index": 0.375,
        },
    }
    assert metaphase["chromosomes"][1]["centromere"] is None
    assert written["findings"][1]["evidence"] == {"homolog": "c17", "region": [0.31, 0.58]}
    assert written["provenance"]["notice"] == NOTICE
    assert [m["state"] for m in written["metaphases"]] == ["analysed", "counted", None]
    assert written["karyotype"]["mosaicism_excluded"] == 0.776393
    assert written["guideline"]["name"] == "our laboratory"
    assert written["guideline"]["demands"][1] == {"what": "analysed", "needed": 2, "found": 1, "met": False}
    assert written["guideline"]["demands"][3] == {"what": "band_level", "needed": 550, "found": 549.6, "met": False}


def test_a_guideline_that_nobody_asked_for_is_left_out(case: Case, provenance: Provenance) -> None:
    assert "guideline" not in json.loads(Report(replace(case, guideline=None), provenance).to_json())


def test_a_case_before_any_stage_is_undetermined(
    make_metaphase: Callable[..., Metaphase], provenance: Provenance
) -> None:
    raw = replace(make_metaphase(()), quality=None, band_level=None, count=None, iscn=None, outcome=None)
    document = to_document(Case("a", (raw,)), provenance)
    assert document.karyotype.outcome == document.metaphases[0].outcome == "undetermined"
    assert document.karyotype.reasons


def test_numbers_of_numpy_become_numbers_of_json(case: Case, provenance: Provenance) -> None:
    evidence: dict[str, Any] = {"z": np.float32(0.5), "profile": np.array([1, 2]), "missing": float("nan")}
    finding = Finding("structural", "9", "unknown", None, float(np.float32(0.9)), ("m1",), False, evidence)
    record = to_document(replace(case, findings=(finding,)), provenance).findings[0]
    assert record.evidence == {"z": 0.5, "profile": [1, 2], "missing": None}
    assert record.score == 0.9


def test_masks_come_back_from_coco(case: Case, provenance: Provenance) -> None:
    region = case.metaphases[0].chromosomes[0].region
    holed = region.mask.copy()
    holed[3, 4] = False
    changed = replace(case.metaphases[0].chromosomes[0], region=replace(region, mask=holed))
    first = replace(case.metaphases[0], chromosomes=(changed, *case.metaphases[0].chromosomes[1:]))
    case = replace(case, metaphases=(first, *case.metaphases[1:]))
    restored = from_document(to_document(case, provenance), read_masks(to_coco(case)))
    assert np.array_equal(restored.metaphases[0].chromosomes[0].region.mask, holed)


def test_a_restored_image_takes_no_memory(case: Case, provenance: Provenance) -> None:
    grey = from_document(to_document(case, provenance)).metaphases[0].grey
    assert grey.shape == case.metaphases[0].grey.shape
    assert grey.strides == (0, 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"outcome": "fine"}, "outcome"),
        ({"chromosomes": [{"bbox": [5, 5, 5, 9]}]}, "xmin < xmax"),
        ({"chromosomes": [{"bbox": [0, 0, 9999, 9]}]}, "leaves the image"),
        ({"chromosomes": [{"label": "23"}]}, "label"),
        ({"chromosomes": [{"confidence": 1.5}]}, "confidence"),
        ({"chromosomes": [{"label_set": ["23"]}]}, "label_set"),
        ({"chromosomes": [{"outlier": 1.5}]}, "outlier"),
        ({"chromosomes": [{}, {}]}, "chromosome of m1"),
    ],
)
def test_what_a_report_may_not_say(case: Case, provenance: Provenance, change: dict[str, Any], words: str) -> None:
    written = json.loads(Report(case, provenance).to_json())
    metaphase = written["metaphases"][0]
    sample = metaphase["chromosomes"][0]
    if "chromosomes" in change:
        change = {"chromosomes": [{**sample, **entry} for entry in change["chromosomes"]]}
    metaphase.update(change)
    with pytest.raises(ValidationError, match=words):
        ReportDocument.model_validate(written)


def test_fields_of_a_later_version_are_passed_over(case: Case, provenance: Provenance) -> None:
    written = json.loads(Report(case, provenance).to_json())
    written["metaphases"][0]["focus"] = 0.3
    assert ReportDocument.model_validate(written) == to_document(case, provenance)
