"""The two ways samples become batches: cut out of tensors in memory, or streamed by worker processes.

Both give the same batches, because order and augmentation are functions of (seed, epoch, step).

Shapes: N samples, B batch.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from src.data.load.shard import Shard
from src.data.read.rows import Images
from src.data.transform.mix import Mix
from src.data.transform.part import Part
from src.data.transform.prepare import Augment, generator

Batch = tuple[Tensor, Tensor]
ORDER, AUGMENT, MIX, FLIP = 0, 1, 2, 3  # what a generator is for, so that no two share their numbers

Fetch = Callable[[Sequence[Tensor]], Iterator[Batch]]


class Order:
    """The samples of each epoch: `indices_N` shuffled by (seed, epoch), or as they are.

    With `class_N` a shuffled epoch has as many of each class that there is.
    """

    def __init__(self, indices_N: Tensor, *, seed: int, shuffle: bool, passes: int = 1, class_N: Tensor | None = None):
        self.indices_N = indices_N
        self.seed = seed
        self.shuffle = shuffle
        self.passes = passes
        self.class_N = class_N
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch (>= 0) that the next iteration is for."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.indices_N) * self.passes

    def __call__(self) -> Tensor:
        """Return the indices in this epoch's order, on the CPU."""
        if not self.shuffle:
            return self.indices_N.repeat(self.passes)
        random = generator(self.seed, ORDER, self.epoch)
        return torch.cat([self.indices_N[self._drawn(random)] for _ in range(self.passes)])

    def _drawn(self, random: torch.Generator) -> Tensor:
        """Return the positions of as many samples as there are, in random order."""
        if self.class_N is None:
            return torch.randperm(len(self.indices_N), generator=random)
        samples, classes = len(self.indices_N), self.class_N.unique()
        share_K = torch.full((len(classes),), samples // len(classes))
        share_K[torch.randperm(len(classes), generator=random)[: samples % len(classes)]] += 1
        found = []
        for number, share in zip(classes, share_K.tolist(), strict=True):
            position_M = (self.class_N == number).nonzero().squeeze(1)
            rounds = math.ceil(share / len(position_M))  # each sample of a class once before any comes again
            each = [position_M[torch.randperm(len(position_M), generator=random)] for _ in range(rounds)]
            found.append(torch.cat(each)[:share] if each else position_M[:0])
        return torch.cat(found)[torch.randperm(samples, generator=random)]


class Batches:
    """Iterates over the (x, y) batches of one epoch, augmented and normalised.

    `fetch` says where the stored samples come from. Where several processes share the work, `batch_size` is that of all
    of them together and `shard` says what is served here: the parts of all processes are, with the same augmentation,
    the batch of one.
    """

    def __init__(
        self,
        fetch: Fetch,
        order: Order,
        *,
        batch_size: int,
        drop_last: bool,
        normalize: Callable[[Tensor], Tensor],
        augment: Augment | None = None,
        mix: Mix | None = None,
        shard: Shard | None = None,
        masks: Tensor | None = None,
        fitted: Callable[[Tensor], Tensor] | None = None,
    ):
        self.fetch = fetch
        self.sampler = order  # the name under which Lightning looks for `set_epoch`
        self.batch_sampler = None  # Lightning asks for it where it finds a sampler
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.normalize = normalize
        self.augment = augment
        self.mix = mix
        self.start = 0  # of the next iteration alone: the batches that a resumed epoch has had
        self.shard = shard
        self.fitted = fitted  # of samples that are not augmented, where they are kept larger to cut crops from
        self.masks = masks  # of a sample's last channel, its target: (256,), which number each of its values is

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return self.batches

    @property
    def batches(self) -> int:
        """The number of batches in an epoch; none is of two passes."""
        return self._per_pass * self.sampler.passes

    @property
    def _per_pass(self) -> int:
        batches = len(self.sampler.indices_N) / self.batch_size
        return math.floor(batches) if self.drop_last else math.ceil(batches)

    @property
    def ranks(self) -> int:
        """The number of processes that share each batch."""
        return self.shard.ranks if self.shard else 1

    @property
    def share(self) -> int:
        """The number of samples that each process has of a full batch; some have one more."""
        return self.batch_size // self.ranks

    def size(self, number: int) -> int:
        """Return the number of samples in batch `number` of an epoch, those of all processes together."""
        done = number % self._per_pass * self.batch_size
        return min(self.batch_size, len(self.sampler.indices_N) - done)

    def count(self, number: int) -> int:
        """Return how many of the samples in batch `number` are to be counted in this process."""
        return self.shard.count(self.size(number)) if self.shard else self.size(number)

    def __iter__(self) -> Iterator[Batch]:
        seed, epoch = self.sampler.seed, self.sampler.epoch
        start, self.start = self.start, 0
        passes = self.sampler().split(len(self.sampler.indices_N))
        indices = [index_B for pass_N in passes for index_B in pass_N.split(self.batch_size)[: self._per_pass]]
        parts: list[Part] = []
        if self.shard:
            parts = [self._part(self.shard, len(index_B), step) for step, index_B in enumerate(indices)]
            indices = [index_B[part.rows] for index_B, part in zip(indices, parts, strict=True)]
        flips_N = self._flips()
        for step, (x_B, y_B) in enumerate(self.fetch(indices[start:]), start):
            part = parts[step] if parts else None
            if self.augment:
                flip_B = None if flips_N is None else flips_N[indices[step]] ^ self._is_odd(step)
                masks = 0 if self.masks is None else 1
                x_B = self.augment(x_B, generator(seed, AUGMENT, epoch, step), part, flip_B=flip_B, masks=masks)
            x_B = self.fitted(x_B) if self.fitted else x_B
            if self.masks is not None:
                x_B, y_B = x_B[:, :-1], self.masks.to(x_B.device)[x_B[:, -1].long()]
            x_B = self.normalize(x_B)
            yield self.mix(x_B, y_B, generator(seed, MIX, epoch, step), part) if self.mix else (x_B, y_B)

    def _flips(self) -> Tensor | None:
        """Return which stored samples are mirrored first, where each is in every other pass (arXiv:2404.00498)."""
        if not self.augment or self.augment.horizontal_flip != "alternating":
            return None
        samples = int(self.sampler.indices_N.max()) + 1
        return torch.rand(samples, generator=generator(self.sampler.seed, FLIP)) < 0.5

    def _is_odd(self, step: int) -> bool:
        """Return whether a batch of this epoch is of a run's second pass, fourth pass and so on."""
        return (self.sampler.epoch * self.sampler.passes + step // self._per_pass) % 2 == 1

    def _part(self, shard: Shard, samples: int, step: int) -> Part:
        """Return the rows of a batch that are fetched here."""
        part, random = shard.part(samples), generator(self.sampler.seed, MIX, self.sampler.epoch, step)
        return self.mix.with_partners(part, random) if self.mix else part


def from_memory(images_N: Tensor, target_N: Tensor) -> Fetch:
    """Cut batches out of tensors that live where the net lives: one gather each, no copy of the data."""

    def fetch(indices: Sequence[Tensor]) -> Iterator[Batch]:
        for index_B in [index_B.to(images_N.device) for index_B in indices]:
            yield images_N.index_select(0, index_B), target_N.index_select(0, index_B)

    return fetch


def from_workers(images: Images, target_N: Tensor, *, workers: int) -> Fetch:
    """Let `workers` processes fetch samples ahead, in order, for datasets that do not fit in memory."""
    samples = _Samples(images, target_N)

    def fetch(indices: Sequence[Tensor]) -> Iterator[Batch]:
        batches = [index_B.tolist() for index_B in indices]
        own = torch.Generator()  # without one DataLoader draws from the global numbers, and dropout sees others
        yield from DataLoader(samples, batch_sampler=batches, num_workers=workers, generator=own)

    return fetch


class _Samples(Dataset[Batch]):
    """A map-style view of images and targets for DataLoader."""

    def __init__(self, images: Images, target_N: Tensor):
        self.images = images
        self.target_N = target_N

    def __getitem__(self, index: int) -> Batch:
        return self.images[index], self.target_N[index]
