"""Train kinlens-mini: a student that says what the teacher says, and tells known classes apart.

Run `views.py` first (it may still be adding views: each epoch takes up what is there). The run is
planned by the clock: the learning rate follows one cycle over `--minutes`, whatever the machine
does meanwhile. A checkpoint follows every epoch; `--resume` goes on from it.

    python training/distill.py --data ../shared/data --work /tmp/mini --minutes 60
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from data import UNLABELED, class_ids, training_pictures
from evaluate import Evaluation
from network import Encoder, Shape
from recipe import RECIPE
from targets import fit
from torch import Tensor, nn
from torch.nn import functional
from views import VIEW_SIZE, VIEWS


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that was chosen for a run, kept in its checkpoint and in the card."""

    seed: int = 20261121
    batch: int = 96
    peak_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: float = 0.04
    average_decay: float = 0.998
    relation_weight: float = 6.0
    class_weight: float = 0.2
    label_smoothing: float = 0.1
    epoch_views: dict[str, int] = field(
        default_factory=lambda: {"clothing": 6500, "objects": 6500, "tiny": 11000}
    )
    sizes: tuple[tuple[float, int], ...] = ((0.25, 64), (1.0, RECIPE.size))
    """Input side up to each part of the run: small and quick first, the real size last."""


class Views:
    """The stored views of the work folder with their targets, all in memory."""

    def __init__(self, work: Path, dim: int, labels: np.ndarray[Any, Any]) -> None:
        self.work, self.dim, self.labels = work, dim, labels
        self.loaded: set[str] = set()
        self.pixels: dict[str, list[Tensor]] = {source: [] for source in VIEWS}
        self.targets: dict[str, list[Tensor]] = {source: [] for source in VIEWS}
        self.classes: dict[str, list[Tensor]] = {source: [] for source in VIEWS}
        first = [np.load(work / f"{source}-0.npz") for source in VIEWS]
        self.project = fit(
            np.concatenate([part["teacher"] for part in first]).astype(np.float32),
            np.concatenate([part["color"] for part in first]).astype(np.float32),
            dim,
        )

    def refresh(self) -> None:
        """Take up views that have been made since."""
        for source, count in VIEWS.items():
            for view in range(count):
                name = f"{source}-{view}.npz"
                if name in self.loaded or not (self.work / name).exists():
                    continue
                with np.load(self.work / name) as part:
                    teacher = part["teacher"].astype(np.float32)
                    target = self.project(teacher, part["color"].astype(np.float32))
                    self.pixels[source].append(torch.from_numpy(part["views"]))
                    self.targets[source].append(torch.from_numpy(target))
                    self.classes[source].append(torch.from_numpy(self.labels[part["index"]]))
                self.loaded.add(name)

    def batches(self, plan: Plan, rng: np.random.Generator) -> list[list[tuple[str, int, int]]]:
        """Batches of one epoch, as (source, view, row)."""
        chosen = [
            (source, int(view), int(row))
            for source, count in plan.epoch_views.items()
            for view, row in self._draw(source, count, rng)
        ]
        order = rng.permutation(len(chosen))
        starts = range(0, len(order) - plan.batch + 1, plan.batch)
        return [[chosen[i] for i in order[start : start + plan.batch]] for start in starts]

    def gather(self, rows: list[tuple[str, int, int]]) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels uint8 (n, V, V, 3), targets (n, dim) and classes (n,) of a batch."""
        return (
            torch.stack([self.pixels[source][view][row] for source, view, row in rows]),
            torch.stack([self.targets[source][view][row] for source, view, row in rows]),
            torch.stack([self.classes[source][view][row] for source, view, row in rows]),
        )

    def _draw(self, source: str, count: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
        views, rows = len(self.pixels[source]), len(self.pixels[source][0])
        picked = [rng.permutation(rows) for _ in range(math.ceil(count / rows))]
        row = np.concatenate(picked)[:count]
        return np.stack([rng.integers(0, views, count), row], axis=1)


def augment(pixels: Tensor, size: int, rng: np.random.Generator) -> Tensor:
    """Network input (n, 3, size, size): shifted, mirrored, a little lighter or darker.

    Few enough changes for the teacher's answer to stay true.
    """
    side = int(rng.integers(round(VIEW_SIZE * 0.86), VIEW_SIZE + 1))
    corners = rng.integers(0, VIEW_SIZE - side + 1, (len(pixels), 2))
    cut = torch.stack(
        [
            picture[top : top + side, left : left + side]
            for picture, (top, left) in zip(pixels, corners, strict=True)
        ]
    )
    mirrored = torch.from_numpy(rng.random(len(pixels)) < 0.5)
    cut[mirrored] = cut[mirrored].flip(2)
    inputs = (cut.float() - torch.tensor(RECIPE.mean)) / torch.tensor(RECIPE.std)
    inputs = inputs.permute(0, 3, 1, 2)
    if side != size:
        inputs = functional.interpolate(
            inputs, (size, size), mode="bilinear", antialias=side > size, align_corners=False
        )
    gain = torch.from_numpy(rng.uniform(0.85, 1.15, (len(pixels), 1, 1, 1)).astype(np.float32))
    shift = torch.from_numpy(rng.uniform(-0.15, 0.15, (len(pixels), 1, 1, 1)).astype(np.float32))
    return (inputs * gain + shift).contiguous(memory_format=torch.channels_last)


class Objective(nn.Module):
    """Agreement with the target, with the similarities among targets, and with known classes."""

    def __init__(self, plan: Plan, dim: int, classes: int) -> None:
        super().__init__()
        self.plan = plan
        self.prototypes = nn.Parameter(torch.randn(classes, dim) * dim**-0.5)
        self.temperature = nn.Parameter(torch.tensor(math.log(12.0)))

    def forward(self, vectors: Tensor, targets: Tensor, classes: Tensor) -> dict[str, Tensor]:
        """The losses by name; "total" is what to minimize."""
        vectors = functional.normalize(vectors, dim=1)
        agreement = 1 - (vectors * targets).sum(1).mean()
        relation = _apart(vectors @ vectors.T - targets @ targets.T).square().mean()
        known = classes != UNLABELED
        prototypes = functional.normalize(self.prototypes, dim=1)
        scores = vectors[known] @ prototypes.T * self.temperature.exp().clamp(max=30)
        naming = functional.cross_entropy(
            scores, classes[known], label_smoothing=self.plan.label_smoothing
        )
        total = agreement + self.plan.relation_weight * relation + self.plan.class_weight * naming
        return {"total": total, "agreement": agreement, "relation": relation, "naming": naming}


def _apart(square: Tensor) -> Tensor:
    return square[~torch.eye(len(square), dtype=torch.bool)]


def rate(plan: Plan, done: float) -> float:
    """Learning rate when a part of the run is done, 0 to 1: linear warm-up, then a cosine."""
    if done < plan.warmup:
        return plan.peak_rate * max(done / plan.warmup, 0.02)
    along = (done - plan.warmup) / (1 - plan.warmup)
    return plan.peak_rate * (0.002 + 0.998 * (1 + math.cos(math.pi * min(along, 1.0))) / 2)


def size_at(plan: Plan, done: float) -> int:
    """Side of the input when a part of the run is done."""
    return next((size for until, size in plan.sizes if done < until), plan.sizes[-1][1])


class Run:
    """A training run with everything that a checkpoint keeps."""

    def __init__(self, plan: Plan, shape: Shape, classes: int) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.shape = plan, shape
        self.student = Encoder(shape).to(memory_format=torch.channels_last)
        self.objective = Objective(plan, shape.dim, classes)
        self.average = torch.optim.swa_utils.AveragedModel(
            self.student,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(plan.average_decay),
            use_buffers=True,
        )
        weights = [*self.student.parameters(), *self.objective.parameters()]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [w for w in weights if w.ndim > 1], "weight_decay": plan.weight_decay},
                {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=plan.peak_rate,
        )
        self.seconds, self.epoch, self.seen = 0.0, 0, 0

    def save(self, path: Path) -> None:
        """Write the checkpoint in one step, so that a kill leaves the old or the new one."""
        state = {
            "plan": asdict(self.plan),
            "shape": asdict(self.shape),
            "student": self.student.state_dict(),
            "average": self.average.state_dict(),
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": {"seconds": self.seconds, "epoch": self.epoch, "seen": self.seen},
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.rename(path)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state = torch.load(path, weights_only=True)
        for name in ("student", "average", "objective", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        progress = state["progress"]
        self.seconds, self.epoch, self.seen = (
            progress["seconds"],
            progress["epoch"],
            progress["seen"],
        )

    def train_epoch(
        self, views: Views, budget: float, started: float, before: float
    ) -> list[float]:
        """One epoch, or less if the time is up; returns the mean of each loss."""
        self.student.train()
        rng = np.random.default_rng((self.plan.seed, self.epoch))
        losses = []
        for rows in views.batches(self.plan, rng):
            self.seconds = before + time.monotonic() - started
            done = self.seconds / budget
            if done >= 1:
                break
            for group in self.optimizer.param_groups:
                group["lr"] = rate(self.plan, done)
            pixels, targets, classes = views.gather(rows)
            inputs = augment(pixels, size_at(self.plan, done), rng)
            loss = self.objective(self.student(inputs), targets, classes)
            self.optimizer.zero_grad(set_to_none=True)
            loss["total"].backward()
            nn.utils.clip_grad_norm_(self.student.parameters(), 2.0)
            self.optimizer.step()
            self.average.update_parameters(self.student)
            self.seen += len(rows)
            losses.append([float(value.detach()) for value in loss.values()])
        self.epoch += 1
        return [round(float(value), 4) for value in np.mean(losses, axis=0)] if losses else []


def main() -> None:
    """Train until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--checkpoint", default="checkpoint.pt")
    options = parser.parse_args()
    torch.set_num_threads(2)
    plan, shape = Plan(), Shape()
    labels, names = class_ids(training_pictures(options.data))
    views = Views(options.work, shape.dim, labels)
    run = Run(plan, shape, len(names))
    checkpoint = options.work / options.checkpoint
    if options.resume:
        run.restore(checkpoint)
    evaluations = {
        size: Evaluation(options.data, replace(RECIPE, size=size)) for _, size in plan.sizes
    }
    budget, started, before = options.minutes * 60, time.monotonic(), run.seconds
    while run.seconds < budget:
        views.refresh()
        losses = run.train_epoch(views, budget, started, before)
        run.save(checkpoint)
        size = size_at(plan, run.seconds / budget)
        report: dict[str, Any] = {
            "epoch": run.epoch,
            "seconds": round(run.seconds),
            "seen": run.seen,
            "views": len(views.loaded),
            "size": size,
            "losses": losses,
        }
        if run.epoch % 4 == 0 and run.seconds < budget:
            report["metrics"] = evaluations[size].during_training(run.average.module)
        print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
