"""The page of error codes: what each means, what it says, and what to do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from error_sites import ErrorSite, error_sites
from ruamel.yaml import YAML

CAUSES = Path(__file__).with_name("causes.yaml")

ROOMS = {
    "stages/tools/init": "Setting up a data set",
    "pipeline/params": "Params",
    "pipeline/index": "Data sets and splits",
    "pipeline/datasets": "Data sets and splits",
    "stages/index": "Data sets and splits",
    "stages/demo": "Data sets and splits",
    "stages/video": "Videos",
    "stages/mosaic": "Mosaics",
    "stages/pose": "Poses",
    "stages/skeletons.py": "Poses",
    "stages/sensors": "3D skeletons",
    "stages/skeletons3d": "3D skeletons",
    "stages/training": "Training",
    "trainer/network_files": "Files of networks",
    "trainer": "Training",
    "stages/evaluation": "Scores, tables and reports",
    "stages/report": "Scores, tables and reports",
    "stages/gcn_report": "Scores, tables and reports",
    "cache/scores": "Scores, tables and reports",
    "stages/tools": "Tools",
    "stages/predict": "New videos",
    "cache/share": "Sharing caches",
    "pipeline/cache_commands": "Sharing caches",
    "cache/files": "Files and processes",
    "cache": "Caches",
    "stages": "Files and processes",
    "pipeline": "Files and processes",
}
"""Where the code is -> the heading; the first that fits."""

OTHER = "Files and processes"

EXIT_STATUS = {
    "StroiError": 1,
    "ParamsError": 2,
    "RefusedInput": 3,
    "OutputInUse": 4,
    "WorkerKilled": 1,
}

HEAD = """# Error codes

A failure ends with one line: its code, what is wrong, and what to do.

```console
{example}
```

This page lists all {count} codes. It is made from stroi's source: in a message, ‹name› stands for
what is known at run time only. An exit status is that of the command that ends. The code of a clip
that is left out is in `ledger.csv` of the stage, and the run goes on.
"""

EXAMPLE = (
    "error: PARAMS_MISSING: /home/ann/project/params.yaml does not exist;"
    " run this in a project, or name one by --root; `stroi new DIR` makes one"
)


def read_causes() -> dict[str, str]:
    """The hand-written texts, by code."""
    return dict(YAML(typ="safe").load(CAUSES.read_text(encoding="utf-8")))


def sites_by_code(root: Path) -> dict[str, list[ErrorSite]]:
    """All codes of the source, sorted, each with the places that use it."""
    by_code: dict[str, list[ErrorSite]] = defaultdict(list)
    for site in error_sites(root):
        by_code[site.code].append(site)
    by_code["INTERNAL"] = [ErrorSite("INTERNAL", "StroiError", "pipeline/cli.py")]
    return dict(sorted(by_code.items()))


def errors_page(root: Path) -> str:
    """The page in Markdown."""
    by_code, causes = sites_by_code(root), read_causes()
    headings: dict[str, list[str]] = {title: [] for title in ROOMS.values()}
    for code, sites in by_code.items():
        headings[heading(sites)].append(code)
    lines = [HEAD.format(count=len(by_code), example=EXAMPLE)]
    for title, codes in headings.items():
        lines += [f"## {title}", ""] if codes else []
        for code in codes:
            lines += [*_entry(code, by_code[code], causes.get(code, "")), ""]
    return "\n".join(lines)


def heading(sites: Sequence[ErrorSite]) -> str:
    """Under which heading a code is: that of most of its places."""
    counts = Counter(
        next((title for room, title in ROOMS.items() if site.module.startswith(room)), OTHER)
        for site in sites
    )
    return counts.most_common(1)[0][0]


def _entry(code: str, sites: Sequence[ErrorSite], cause: str) -> Iterator[str]:
    yield f"### {code} {{#{code.lower()}}}"
    yield ""
    if cause:
        yield f"{cause}\n"
    yield f"*{outcome(sites)}*\n"
    for remedy, messages in _messages(sites).items():
        lines = [_text(message) for message in messages]
        lines += [f"**To do:** {_text(remedy)}"] if remedy else []
        yield "- " + "<br>".join(lines)


def _messages(sites: Iterable[ErrorSite]) -> Mapping[str, list[str]]:
    """What is said, by what is advised."""
    messages: dict[str, list[str]] = {}
    for site in sorted(sites, key=lambda site: (site.remedy, site.message)):
        remedy = site.remedy if readable(site.remedy) else ""
        if remedy or readable(site.message):
            said = messages.setdefault(remedy, [])
            said += [site.message] if site.message not in said else []
    return messages


def readable(template: str) -> bool:
    """Whether a template says anything besides what is known at run time."""
    outside = "".join(part.rpartition("›")[2] for part in template.split("‹"))
    return any(letter.isalpha() for letter in outside)


def outcome(sites: Iterable[ErrorSite]) -> str:
    """What happens: the exit status of the command, the clip that is left out, or both."""
    kinds = {site.kind for site in sites}
    ends = sorted({EXIT_STATUS[kind] for kind in kinds & EXIT_STATUS.keys()})
    parts = [f"ends the command with status {' or '.join(map(str, ends))}"] if ends else []
    if kinds & {"ClipOutcome", "ClipRejected"}:
        parts.append("leaves the clip out")
    return "; ".join(parts)[:1].upper() + "; ".join(parts)[1:] + "."


def _text(template: str) -> str:
    """A template as Markdown that shows it as it is."""
    for sign in "\\`*_<>[]|":
        template = template.replace(sign, "\\" + sign)
    return template
