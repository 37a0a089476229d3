"""Does the pipeline recover a karyotype that was put in? Forty simulated cases at three levels of crowding.

    python tools/benchmarks/simulated_cases.py [--cases 1-8,35] [--metaphases 5] [--crowding 0,0.5,1] [--json FILE]

The karyotypes are in ``simulated_cases.yaml``. With ``--json`` every case is recorded as soon as it is done, and cases
that the file holds already are not run again, so that the benchmark can be run in parts; the tables are always of the
whole file. In the tables:

* right count: metaphases whose stated count is that of the chromosomes drawn;
* right ISCN: cases without structural change whose clones are those that were drawn (cell numbers aside);
* finding: structural cases with a structural finding on a chromosome that is changed in them;
* review: structural cases of which a changed chromosome was found and put under review in at least half of the
  metaphases, to be read beside the share of unchanged chromosomes that are under review as well.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.progress import track

from karyonet import Case, Pipeline, Report
from karyonet.case import Metaphase
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.evaluation.matching import match_boxes
from karyonet.evaluation.metrics import f1
from karyonet.evaluation.pipeline import compare
from karyonet.simulate import SimulatedCase, SimulatedMetaphase, simulate

NAMED = ("named_right", "predicted", "truth")
KARYOTYPES = Path(__file__).with_suffix(".yaml")


@dataclass
class Row:
    """One case at one level of crowding; sums over its metaphases."""

    case: int
    karyotype: str
    crowding: float
    structural: bool
    answer: str
    right_iscn: bool
    found_structural: bool
    under_review: bool = False
    metaphases: int = 0
    right_counts: int = 0
    truth: int = 0
    predicted: int = 0
    matched: int = 0
    named_right: int = 0
    unchanged: int = 0
    unchanged_in_review: int = 0


def run_case(pipeline: Pipeline, number: int, karyotype: str, crowding: float, metaphases: int, seed: int) -> Row:
    """Draw a case, run the pipeline over it and compare."""
    drawn = simulate(karyotype, 1000 * seed + number, crowding=crowding, metaphases=metaphases)
    with tempfile.TemporaryDirectory() as folder:
        drawn.save(folder)
        annotated = read_metaphases(folder)
        report = pipeline(Case.read(Path(folder) / "images", case_id=str(number)))
    found = {metaphase.image: metaphase for metaphase in report.metaphases}
    return summarise(number, crowding, drawn, annotated, report, [found.get(truth.path.name) for truth in annotated])


def summarise(
    number: int,
    crowding: float,
    drawn: SimulatedCase,
    annotated: Sequence[AnnotatedMetaphase],
    report: Report,
    answers: Sequence[Metaphase | None],
) -> Row:
    """Compare a report with what was drawn; ``answers`` are in the order drawn, None where a metaphase failed."""
    changed = {c.label for m in drawn.metaphases for c in m.chromosomes if c.plan.change}
    row = Row(
        case=number,
        karyotype=drawn.karyotype,
        crowding=crowding,
        structural=bool(changed),
        answer=str(report.karyotype),
        right_iscn={clone.iscn for clone in report.karyotype.clones} == {m.karyotype for m in drawn.metaphases}
        and report.karyotype.iscn is not None,
        found_structural=any(f.kind == "structural" and f.chromosome in changed for f in report.case.findings),
        metaphases=len(drawn.metaphases),
    )
    reviewed = 0
    for simulated, truth, answer in zip(drawn.metaphases, annotated, answers, strict=True):
        chromosomes = () if answer is None else answer.chromosomes
        result = compare(truth, chromosomes)
        row.truth += result.truth
        row.predicted += result.predicted
        row.matched += result.matched
        row.named_right += result.right
        if answer is not None:
            row.right_counts += answer.count == len(simulated.chromosomes)
            reviews = _reviews(simulated, answer)
            reviewed += any(review for is_changed, review in reviews if is_changed)
            row.unchanged += sum(not is_changed for is_changed, _ in reviews)
            row.unchanged_in_review += sum(review for is_changed, review in reviews if not is_changed)
    row.under_review = 2 * reviewed >= row.metaphases
    return row


def _reviews(simulated: SimulatedMetaphase, answer: Metaphase) -> list[tuple[bool, bool]]:
    """Of every chromosome that was found: whether it is changed, and whether it is under review."""
    matches = match_boxes([c.region.bbox for c in answer.chromosomes], [c.region.bbox for c in simulated.chromosomes])
    return [
        (bool(simulated.chromosomes[true].plan.change), answer.chromosomes[own].review)
        for own, true in matches.pairs.tolist()
    ]


def print_tables(rows: Sequence[Row], each: bool) -> None:
    """One line a case, if asked for, and one line a level of crowding."""
    if each:
        for row in sorted(rows, key=lambda row: (row.crowding, row.case)):
            share = f"{row.right_counts}/{row.metaphases} counts, {row.named_right}/{row.truth} named"
            print(f"{row.case:3}  crowding {row.crowding:<4g} {row.karyotype:32} -> {row.answer}  ({share})")
    heads = ("right count", "identification F1", "right ISCN", "finding", "review", "others in review")
    print("| " + " | ".join(("crowding", "cases", "metaphases", *heads)) + " |")
    print("|---" * (3 + len(heads)) + "|")
    for crowding in sorted({row.crowding for row in rows}):
        these = [row for row in rows if row.crowding == crowding]
        structural = [row for row in these if row.structural]
        others = [row for row in these if not row.structural]
        named = f1(*(sum(getattr(row, name) for row in these) for name in NAMED))
        cells = (
            f"{crowding:g}",
            len(these),
            sum(row.metaphases for row in these),
            _share(sum(row.right_counts for row in these), sum(row.metaphases for row in these)),
            f"{float(named):.3f}",
            _of(sum(row.right_iscn for row in others), len(others)),
            _of(sum(row.found_structural for row in structural), len(structural)),
            _of(sum(row.under_review for row in structural), len(structural)),
            _share(sum(row.unchanged_in_review for row in these), sum(row.unchanged for row in these)),
        )
        print("| " + " | ".join(map(str, cells)) + " |")
    if not any(row.found_structural for row in rows):
        print("No structural finding: the count that a review gives is no detection of the change.")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "–"


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else "–"


def numbers(text: str, last: int) -> list[int]:
    """``1-3,7`` as 1, 2, 3, 7."""
    chosen: set[int] = set()
    for part in text.split(","):
        first, _, end = part.partition("-")
        chosen |= set(range(int(first), int(end or first) + 1))
    if not chosen <= set(range(1, last + 1)):
        raise SystemExit(f"--cases: there are cases 1 to {last}")
    return sorted(chosen)


def main() -> None:
    karyotypes: list[str] = yaml.safe_load(KARYOTYPES.read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", default=f"1-{len(karyotypes)}", help="their numbers, for example 1-8,35")
    parser.add_argument("--metaphases", type=int, default=5, help="of every case")
    parser.add_argument("--crowding", default="0,0.5,1", help="levels, 0 to 1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--config", default="default")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", type=Path, help="record of the cases; those in it are not run again")
    parser.add_argument("--each", action="store_true", help="also print a line a case")
    arguments = parser.parse_args()
    pipeline = Pipeline.from_config(arguments.config, arguments.overrides)
    weights = [weight.sha256 for step in pipeline.stages.values() for weight in step.weights]
    config = pipeline.config.sha256 if pipeline.config else None
    settings = {"seed": arguments.seed, "metaphases": arguments.metaphases, "config": config, "weights": weights}

    record: dict[str, Any] = {"settings": settings, "rows": []}
    if arguments.json and arguments.json.exists():
        record = json.loads(arguments.json.read_text(encoding="utf-8"))
        if record["settings"] != settings:
            raise SystemExit(f"{arguments.json} was made with other settings; name another file")
    rows = [Row(**row) for row in record["rows"]]
    done = {(row.case, row.crowding) for row in rows}
    wanted = [
        (number, crowding)
        for number in numbers(arguments.cases, len(karyotypes))
        for crowding in map(float, arguments.crowding.split(","))
        if (number, crowding) not in done
    ]
    for number, crowding in track(wanted, description="running"):
        karyotype = karyotypes[number - 1]
        rows.append(run_case(pipeline, number, karyotype, crowding, arguments.metaphases, arguments.seed))
        if arguments.json:
            content = {"settings": settings, "rows": [asdict(row) for row in rows]}
            arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print_tables(rows, arguments.each)


if __name__ == "__main__":
    main()
