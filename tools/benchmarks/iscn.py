"""How long does the parser take, for karyotypes as they are written and for whatever else may be put in?

    python tools/benchmarks/iscn.py [--inputs 2000] [--seed 1]

Karyotypes are those of ``tests/iscn/karyotypes`` that can be read. The other inputs are random text and mutated
karyotypes of up to 10,000 characters, pieces of them repeated many times over among them.
"""

from __future__ import annotations

import argparse
import random
from contextlib import suppress
from pathlib import Path
from time import perf_counter

from karyonet.errors import IscnError
from karyonet.iscn import parse

FOLDER = Path(__file__).parents[2] / "tests" / "iscn" / "karyotypes"
LENGTH = 10_000
SIGNS = "0123456789XYpqcm+-?~x[](),;./ idelrtn"


def milliseconds(text: str) -> float:
    """The time of one call, whether the text is read or refused."""
    start = perf_counter()
    with suppress(IscnError):
        parse(text)
    return 1000 * (perf_counter() - start)


def disturbed(generator: random.Random, karyotypes: list[str]) -> str:
    """Random text, or a karyotype with pieces replaced or repeated."""
    if generator.random() < 0.2:
        alphabet = SIGNS if generator.random() < 0.5 else [chr(code) for code in range(1, 0x3000)]
        return "".join(generator.choices(alphabet, k=generator.randint(1, LENGTH)))
    text = generator.choice(karyotypes)
    for _ in range(generator.randint(1, 4)):
        start = generator.randint(0, len(text))
        end = min(len(text), start + generator.randint(0, 12))
        inserted = "".join(generator.choices(SIGNS, k=generator.randint(0, 3)))
        text = text[:start] + inserted + text[start:end] * generator.choice((0, 1, 2, 1000)) + text[end:]
    return text[: generator.choice((3999, LENGTH))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rows = [line.split("\t") for file in sorted(FOLDER.glob("*.tsv")) for line in file.read_text("utf-8").splitlines()]
    karyotypes = [row[0] for row in rows if row[1] != "syntax"]
    milliseconds(karyotypes[0])  # the grammar is compiled once
    times = sorted(min(milliseconds(text) for _ in range(3)) for text in karyotypes)
    print(f"{len(times)} karyotypes: median {times[len(times) // 2]:.2f} ms, longest {times[-1]:.2f} ms")
    generator = random.Random(arguments.seed)
    others = (
        (milliseconds(text), text) for text in (disturbed(generator, karyotypes) for _ in range(arguments.inputs))
    )
    longest, text = max(others)
    print(f"{arguments.inputs} disturbed inputs: longest {longest:.1f} ms ({text[:60]!r}, {len(text)} characters)")


if __name__ == "__main__":
    main()
