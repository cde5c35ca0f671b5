"""What the user is told about a folder of NTU RGB+D: is it whole, and if not, what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import itemgetter

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.listing import ClipEntry
from stroi.pipeline.datasets.ntu_lists import Name, NtuSet, good_names
from stroi.pipeline.index.ledger import ClipOutcome

PARTS = {
    axis: itemgetter(slice(4 * number, 4 * number + 4)) for number, axis in enumerate(Name._fields)
}
"""Where the parts of a sample's name stand."""


def notes(
    ntu: NtuSet, clips: Sequence[ClipEntry], left_out: Iterable[ClipOutcome]
) -> tuple[str, ...]:
    """Sentences about a listing.

    Args:
        ntu: The data set.
        clips: Its listed samples.
        left_out: Those that are left out.

    Raises:
        RefusedInput: ``NTU_SIZES`` if all samples are there, and a protocol has another size than
            was published.
    """
    there = {clip.id for clip in clips}
    expected = good_names(ntu)
    absent = [name for name in expected if name not in there]
    sizes = _sizes(ntu, there)
    if not absent:
        _check_sizes(ntu, sizes)
    told = "; ".join(f"{name} {train:,} / {test:,}" for name, (train, test) in sizes.items())
    part = "all" if not absent else f"{len(there):,} of"
    lines = [f"{ntu.title}: {part} {len(expected):,} samples; train / test: {told}"]
    lines += _absent(expected, absent)
    lines += _without("video", [clip.id for clip in clips if not clip.video])
    lines += _without("skeleton", [clip.id for clip in clips if not clip.skeleton])
    counts = sorted(Counter(outcome.code for outcome in left_out).items())
    if counts:
        told = ", ".join(f"{count:,} {code}" for code, count in counts)
        lines.append(f"{ntu.title}: left out, see ledger.csv: {told}")
    return tuple(lines)


def ranges(values: Sequence[str]) -> str:
    """Numbered names in order, told briefly: ``P001, P003 to P005``."""
    runs: list[list[str]] = []
    for value in values:
        if runs and int(value[1:]) == int(runs[-1][-1][1:]) + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs)


def _sizes(ntu: NtuSet, there: Iterable[str]) -> dict[str, tuple[int, int]]:
    parts = [Name.of(sample) for sample in there]
    sizes = {}
    for protocol in ntu.protocols:
        train = sum(map(protocol.trains, parts))
        sizes[protocol.title] = (train, len(parts) - train)
    return sizes


def _check_sizes(ntu: NtuSet, sizes: dict[str, tuple[int, int]]) -> None:
    for protocol in ntu.protocols:
        if sizes[protocol.title] != protocol.sizes:
            raise RefusedInput(
                "NTU_SIZES",
                f"{ntu.title}: {protocol.title} has {sizes[protocol.title]} training and test"
                f" samples, published are {protocol.sizes}",
                remedy="this stroi's own lists are damaged: install it again",
            )


def _absent(expected: Sequence[str], absent: Sequence[str]) -> list[str]:
    """What is wholly absent, and how much is missing besides."""
    if not absent:
        return []
    gone: list[set[str]] = []
    lines = []
    for axis, part in PARTS.items():
        whole, lack = Counter(map(part, expected)), Counter(map(part, absent))
        gone.append({value for value, count in lack.items() if count == whole[value]})
        if gone[-1]:
            lines.append(f"no sample of {axis} {ranges(sorted(gone[-1]))}")
    parts = tuple(zip(PARTS.values(), gone, strict=True))
    single = [name for name in absent if not any(part(name) in values for part, values in parts)]
    if single:
        lines.append(f"{len(single):,} missing{' besides' * bool(lines)}, first {single[0]}")
    return lines


def _without(what: str, without: Sequence[str]) -> list[str]:
    if not without:
        return []
    samples = "sample" if len(without) == 1 else "samples"
    return [f"{len(without):,} {samples} without a {what}, first {without[0]}"]
