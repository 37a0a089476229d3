"""From the metaphase images of a patient to a karyogram, an ISCN karyotype and a report.

For research and to aid trained personnel; not a diagnosis.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from karyonet.case import Case as Case
    from karyonet.pipeline import Pipeline as Pipeline
    from karyonet.report import Report as Report

__version__ = "0.1.0"
__all__ = ["Case", "Pipeline", "Report", "__version__"]

_HOME = {"Case": "karyonet.case", "Pipeline": "karyonet.pipeline", "Report": "karyonet.report"}


def __getattr__(name: str) -> Any:
    # Imported on first use, so that `import karyonet` and `karyonet --help` answer at once.
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
