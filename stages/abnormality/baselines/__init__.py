"""What HomNet is compared with, on the same bags: networks over pairs, features, detectors of outliers, ablations."""

from .ablations import ABLATIONS, Ablation, ablated
from .detectors import DETECTORS, Detector, DetectorName, LabelledBatch, build_detector
from .pairs import NETWORKS, NetworkName, Verdict, build
from .task import BaselineTask, Judge, judged, network_judge

__all__ = [
    "ABLATIONS", "DETECTORS", "NETWORKS", "Ablation", "BaselineTask", "Detector", "DetectorName", "Judge",
    "LabelledBatch", "NetworkName", "Verdict", "ablated", "build", "build_detector", "judged", "network_judge",
]  # fmt: skip
