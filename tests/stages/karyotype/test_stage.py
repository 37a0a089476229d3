from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from karyonet.case import LABELS, Case, Chromosome, Cluster, Metaphase
from karyonet.geometry.region import Region
from karyonet.stages.karyotype import CountAndSex

MALE = [*(label for label in LABELS[:22] for _ in range(2)), "X", "Y"]


def metaphase(number: int, labels: Sequence[str], review: int = 0, crowded: int = 0) -> Metaphase:
    blank = np.zeros((4, 4), dtype=np.float32)
    dot = Region.from_mask(np.ones((1, 1), dtype=bool))
    clusters = (Cluster("k1", dot, "instance"), Cluster("k2", dot, "touching"))
    chromosomes = tuple(
        Chromosome(f"c{i + 1}", dot, cluster="k2" if i < crowded else "k1", label=label, review=i < review)
        for i, label in enumerate(labels)
    )
    return Metaphase(
        f"m{number}", f"{number}.png", "", blank, "absorption", blank, clusters=clusters, chromosomes=chromosomes
    )


def test_a_case_of_normal_metaphases() -> None:
    case = CountAndSex()(Case("case", tuple(metaphase(i, MALE) for i in (1, 2, 3))))
    assert str(case.karyotype) == "46,XY"
    assert [m.count for m in case.metaphases] == [46, 46, 46]
    assert [m.quality.score for m in case.metaphases if m.quality] == [1.0, 1.0, 1.0]


def test_quality_says_what_stands_against_a_metaphase() -> None:
    case = CountAndSex()(Case("case", (metaphase(1, MALE[:23], review=3, crowded=10),)))
    quality = case.metaphases[0].quality
    assert quality is not None
    assert quality.score == round(13 / 46, 4)
    assert quality.flags == ("23 chromosomes", "10 chromosomes in clusters", "3 chromosomes need review")


def test_options_decide_what_is_believed() -> None:
    case = Case("case", (metaphase(1, [*MALE, "21", "18"]), metaphase(2, [*MALE, "21", "18"])))
    assert str(CountAndSex()(case).karyotype) == "48,XY,+18,+21"
    assert CountAndSex(max_changes=1)(case).karyotype.outcome == "undetermined"  # type: ignore[union-attr]


def test_an_empty_case_is_undetermined() -> None:
    karyotype = CountAndSex()(Case("case")).karyotype
    assert karyotype is not None
    assert (karyotype.outcome, karyotype.reasons) == ("undetermined", ("no metaphase could be used",))


def test_an_object_too_small_for_a_chromosome_makes_no_trisomy() -> None:
    whole = Region.from_mask(np.ones((10, 10), dtype=bool))
    speck = Region.from_mask(np.ones((4, 5), dtype=bool))
    metaphases = tuple(
        replace(
            m,
            chromosomes=tuple(
                replace(c, region=speck if number == 46 else whole) for number, c in enumerate(m.chromosomes)
            ),
        )
        for m in (metaphase(1, [*MALE, "21"]), metaphase(2, [*MALE, "21"]))
    )
    case = CountAndSex()(Case("case", metaphases))
    assert str(case.karyotype) == "46,XY"
    assert [m.count for m in case.metaphases] == [46, 46]
    assert case.metaphases[0].chromosomes[46].review
    assert "1 small objects not counted (debris or marker)" in case.metaphases[0].quality.flags  # type: ignore[union-attr]
    assert str(CountAndSex(smallest=0)(Case("case", metaphases)).karyotype) == "47,XY,+21"
