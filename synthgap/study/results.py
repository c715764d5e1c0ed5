"""The numbers of a study: one table a result, one row a seed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from ..diffusion.ddpm import LinearSchedule, eps_from_denoiser, reconstruct_ddpm
from ..diffusion.edm import EDM
from ..diffusion.pixels import to_model, to_uint8
from ..diffusion.reconstruct import sampling_mode
from ..diffusion.schedule import REVERSE_STEPS, SIGMA_MIN, sigma_max_for, sigma_of
from ..errors import UserError
from ..metrics.entropy import output_entropy
from .arms import REAL_ONLY, SYNTHETIC_ONLY
from .base import StudyBase
from .specs import Spec
from .stats import Estimate, paired_difference

ALGORITHM_STEPS = (25, 50, 75, 100)  # reverse steps at which the forms of Algorithm 1 are compared


class Results(StudyBase):
    """Tables of a study. Each method computes what the store lacks and no more."""

    def noise_levels(self) -> pd.DataFrame:
        """σ and network evaluations of reverse steps.

        Columns t_re, sigma, paper_scale (σ at 32 × 32), vp (σ of DDPM's T = 1000 linear schedule at 10·t_re),
        evaluations.
        """
        vp = LinearSchedule(1000).sigma
        steps = (0, 1, 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 100)
        rows = {
            "t_re": steps,
            "sigma": [self.sigma(t) for t in steps],
            "paper_scale": [float(sigma_of(t, SIGMA_MIN, sigma_max_for(32, 32))) for t in steps],
            "vp": [float(vp[10 * t]) for t in steps],
            "evaluations": [self.preset.generator.solver.evaluations(t) for t in steps],
        }
        return pd.DataFrame(rows)

    def table2(self) -> pd.DataFrame:
        """Accuracy against t_re: columns dataset, t_re, sigma, seed, accuracy (in [0, 1]), n (test images)."""
        cells = {(a.name, i, *cell): spec for i, a in enumerate(self.columns) for cell, spec in a.table2().items()}
        rows = self._accuracies(cells, ("dataset", "column", "t_re", "seed"))
        rows.insert(3, "sigma", [self.sigma(t, i) for t, i in zip(rows.t_re, rows.column, strict=True)])
        return rows.drop(columns="column")

    def table3(self) -> pd.DataFrame:
        """Replication and augmentation: columns arm, multiple, seed, accuracy (in [0, 1]), n (test images)."""
        return self._accuracies(self.main.table3(), ("arm", "multiple", "seed"))

    def fidelity_curve(self) -> pd.DataFrame:
        """Figure 6's numbers: t_re (−1: real against real), seed, frechet, precision, recall, n_real, n_fake."""
        cells = self.main.figure6()
        self.compute(list(cells.values()))
        rows = []
        for (t_re, seed), spec in cells.items():
            value = self.store.get(spec)
            numbers = {k: getattr(value, k) for k in ("frechet", "precision", "recall")}
            rows.append({"t_re": t_re, "seed": seed, **numbers, "n_real": value.n[0], "n_fake": value.n[1]})
        return pd.DataFrame(rows)

    def entropy_curve(self) -> pd.DataFrame:
        """Figure 8's numbers: split, t_re, seed, entropy (nats), n."""
        cells = self.main.figure8()
        self.compute(list(cells.values()))
        rows = []
        for (split, t_re, seed), spec in cells.items():
            value = self.store.get(spec)
            entropy = output_entropy(value.logits)
            rows.append({"split": split, "t_re": t_re, "seed": seed, "entropy": entropy, "n": value.n})
        return pd.DataFrame(rows)

    def gap(self, multiple: int = 1) -> Estimate:
        """Accuracy of real only minus synthetic only ×multiple, paired by seed, in percentage points."""
        return self.arm_difference((REAL_ONLY, 0), (SYNTHETIC_ONLY, multiple))

    def arm_difference(self, first: tuple[str, int], second: tuple[str, int]) -> Estimate:
        """Accuracy of one (arm, multiple) of Table 3 minus another's, paired by seed, in percentage points."""
        table = self.table3().set_index(["arm", "multiple", "seed"]).accuracy.sort_index()
        for arm, multiple in (first, second):
            if (arm, multiple) not in table.index:
                raise UserError(f"{arm} ×{multiple} is not part of the preset {self.preset.name}; see table3()")
        return paired_difference(100 * table.loc[first].to_numpy(), 100 * table.loc[second].to_numpy())

    def algorithms(self) -> dict[tuple[str, int], np.ndarray]:
        """A few training images reconstructed by EDM, by Algorithm 1 as corrected, and as printed.

        (name, t_re) → uint8 images; ("real", 0) are the images themselves. Algorithm 1 runs on DDPM's linear
        schedule of T = 100, driven by the same denoiser.
        """
        cells = self.main.grid((0, *ALGORITHM_STEPS))
        self.compute(list(cells.values()))
        real = self.store.get(cells[0])
        edm: EDM = self.store.get(self.main.generator(self.seeds[0]))
        out = {("real", 0): real.images}
        schedule = LinearSchedule(REVERSE_STEPS)
        start, labels = torch.from_numpy(to_model(real.images)), torch.from_numpy(real.labels)
        with torch.no_grad(), sampling_mode(edm.cpu()):
            eps = eps_from_denoiser(edm, schedule)
            for t in ALGORITHM_STEPS:
                out["EDM", t] = self.store.get(cells[t]).images
                for name, printed in (("corrected", False), ("printed", True)):
                    rng = torch.Generator().manual_seed(self.seeds[0])
                    rebuilt = reconstruct_ddpm(eps, schedule, start, t, rng, labels, as_printed=printed)
                    out[name, t] = to_uint8(rebuilt.numpy())
        return out

    def algorithm_distances(self) -> pd.DataFrame:
        """How far `algorithms` move the images: columns algorithm, t_re, sigma, distance (mean grey levels, of 255)."""
        images = self.algorithms()
        real, vp = images["real", 0].astype(float), LinearSchedule(REVERSE_STEPS).sigma
        rows = []
        for (name, t), rebuilt in images.items():
            if name != "real":
                sigma = self.sigma(t) if name == "EDM" else float(vp[t])
                distance = float(np.abs(rebuilt - real).mean())
                rows.append({"algorithm": name, "t_re": t, "sigma": sigma, "distance": distance})
        return pd.DataFrame(rows)

    def _accuracies(self, cells: dict[tuple, Spec], names: tuple[str, ...]) -> pd.DataFrame:
        self.compute(list(cells.values()))
        rows = []
        for cell, spec in cells.items():
            value = self.store.get(spec)
            rows.append({**dict(zip(names, cell, strict=True)), "accuracy": value.accuracy, "n": value.n})
        return pd.DataFrame(rows)
