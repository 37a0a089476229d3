"""Simulated metaphases: ISCN in, images with full truth out.

Chromosomes are rendered from the ideogram, bent, spread over a slide and photographed; nothing of a real image is
used but the quantiles of its appearance. The same arguments give the same pixels on every machine.
"""

from __future__ import annotations

from karyonet.simulate.case import SimulatedCase, simulate
from karyonet.simulate.karyotype import plan_karyotype
from karyonet.simulate.metaphase import SimulatedChromosome, SimulatedCluster, SimulatedMetaphase, draw_metaphase
from karyonet.simulate.plan import ChromosomePlan, ClonePlan, normal_chromosome, normal_complement

__all__ = [
    "ChromosomePlan",
    "ClonePlan",
    "SimulatedCase",
    "SimulatedChromosome",
    "SimulatedCluster",
    "SimulatedMetaphase",
    "draw_metaphase",
    "normal_chromosome",
    "normal_complement",
    "plan_karyotype",
    "simulate",
]
