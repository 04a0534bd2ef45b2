"""docs/forms.md and its picture, made by `./dev bench sweep --page` and by nobody else."""

from collections.abc import Mapping, Sequence
from typing import Any

from perf import results, tables
from perf.forms import picture, verdict
from perf.results import Figure

PAGE, PICTURE = "docs/forms.md", "docs/forms.svg"
TEXT = """# What each command form costs

<!-- made by ./dev bench sweep --page -->

Processor time of the server for a request, ours divided by the peer's: below 1 is cheaper. Commit {commit} beside
{peer} {version} on {machine}.

Both servers get the same bytes in short slices, one after the other, pipelines of 16 unless a name says `P=1`; a figure
is the median over the pairs of slices. It is the processor time that the kernel accounts to a server with all its
threads, so a busy machine changes it little. The forms stand in
`perf/forms/forms.txt`; `./dev bench sweep --only 'ZADD*'` measures some of them on your machine.

**{counts}.**

![Each form as a dot, by group, from a tenth of the peer's processor time to ten times that](forms.svg)

{groups}

## Dearer than the peer

{dear}
"""


def write(figures: Sequence[Figure], group_of: Mapping[str, str], settings: Mapping[str, Any]) -> None:
    """Both files, from the figures of one run."""
    found = verdict.groups(figures, group_of)
    text = TEXT.format(
        commit=results.commit(), peer=settings["peer"], version=settings["peer_version"], machine=results.machine(),
        counts=verdict.counts(figure.ratio for figure in figures),
        groups=tables.markdown(verdict.group_rows(found)), dear=tables.markdown(verdict.dear_rows(figures)),
    )  # fmt: skip
    (results.ROOT / PAGE).write_text(text)
    title = f"Processor time of {len(figures)} command forms, ours / {settings['peer']} {settings['peer_version']}"
    (results.ROOT / PICTURE).write_text(picture.svg(found, title))
