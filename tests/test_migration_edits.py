"""Jobs of several keys done and undone in any order on files as people have them: every byte comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import event, given, settings
from hypothesis import strategies as st

from awssso_helper import aws_config, sections
from awssso_helper.errors import RefusedError
from awssso_helper.migration import edits
from awssso_helper.migration import job as jobs
from awssso_helper.migration.job import Job, Target
from awssso_helper.model import Role

if TYPE_CHECKING:
    import random as randoms

ROLE = Role("corp", "210987654321", "PowerUserAccess")
PROCESS = aws_config.process_value("/opt/awssso", ROLE)
NAMES = "abcd"
GAPS = st.lists(st.sampled_from(["", "  ", "# note", "; more", "#aws_secret_access_key = old"]), max_size=3)
MORE = st.lists(st.sampled_from(["region = eu-west-1", "# inside", "", "output=json\t"]), unique=True, max_size=3)


def key_of(name: str) -> str:
    return f"AKIA{name.upper() * 16}"


@st.composite
def written(draw, prefix: str = "", keys: tuple[str, ...] = ()):
    """The lines of one of the two files; these names have a key in it, and perhaps others a section."""
    lines = draw(GAPS)
    for name in draw(st.permutations(NAMES)):
        if name not in keys and not draw(st.booleans()):
            continue
        lines.append(f"[{prefix}{name}]")
        if name in keys:
            lines += [f"aws_access_key_id = {key_of(name)}", *draw(GAPS), f"aws_secret_access_key = {name * 40}"]
        lines += [*draw(MORE), *draw(GAPS)]
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    return (newline.join(lines) + draw(st.sampled_from(["", newline]))).encode()


@st.composite
def both_files(draw):
    """Config and credentials; every name has its key in one of them."""
    in_config = draw(st.sets(st.sampled_from(NAMES), max_size=2))
    in_credentials = tuple(name for name in NAMES if name not in in_config)
    config = draw(
        st.one_of(st.just(b""), written("profile ", tuple(in_config)))
        if not in_config
        else written("profile ", tuple(in_config))
    )
    return config, draw(written("", in_credentials))


class Files:
    """The two files and the jobs on them, as the steps change them."""

    def __init__(self, config: bytes, credentials: bytes) -> None:
        self.config = aws_config.parsed(config, name="config")
        self.credentials = aws_config.parsed(credentials, name="credentials")
        self.done: dict[str, tuple[Job, edits.Vault]] = {}

    def planned(self, name: str) -> Job:
        header = f"profile {name}"
        is_here = edits.KEY_ID in self.credentials.sections.get(name, {})
        layout = edits.full_layout(self.credentials, [job for job, _ in self.done.values()])
        between = sections.between(self.credentials)
        target = Target(
            profile=name, role=ROLE, process=PROCESS, header=header,
            config_digest=edits.config_digest(sections.text_of(self.config, header)),
            credentials_digest=edits.digest_of(sections.text_of(self.credentials, name)) if is_here else "",
            lead=edits.lead_of(self.config, Target(name, ROLE, PROCESS, header, "", "")),
        )  # fmt: skip
        return Job(
            key_id=key_of(name), account_id=ROLE.account_id, user="ada", region="us-east-1", initial="Active",
            targets=(target,), order=tuple(spot.header for spot in layout),
            above=tuple(spot.above for spot in layout), blank="" if between.strip() else between.decode(),
            stage=jobs.RETIRED,
        )  # fmt: skip

    def do(self, name: str) -> None:
        job = self.planned(name)
        (target,) = job.targets
        vault = edits.taken(job, self.config, self.credentials)
        read = edits.vault_of(job, edits.vault_text(job, vault))
        assert read == vault
        config = aws_config.parsed(edits.with_profile(self.config, target, vault.before[name]), name="config")
        config = aws_config.parsed(edits.without_key_lines(config, target), name="config")
        credentials = edits.without_section(self.credentials, target)
        # A file that is blank is removed.
        self.credentials = aws_config.parsed(credentials if credentials.strip() else b"", name="credentials")
        self.config = config
        assert edits.is_cut(job, self.config, self.credentials)
        self.done[name] = (jobs.from_values(jobs.values(job)), vault)

    def undo(self, name: str) -> None:
        job, vault = self.done.pop(name)
        (target,) = job.targets
        credentials = edits.with_section(self.credentials, job, target, vault)
        config = edits.without_profile(self.config, target, vault.before[name])
        self.credentials = aws_config.parsed(credentials, name="credentials")
        self.config = aws_config.parsed(config, name="config")


@given(both_files(), st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_i4_jobs_done_and_undone_in_any_order_give_every_byte_of_both_files_back(texts, random: randoms.Random):
    try:
        files = Files(*texts)
    except RefusedError:
        event("no file that AWS tools read")
        return
    for _ in range(8):
        name = random.choice(NAMES)
        try:
            files.undo(name) if name in files.done else files.do(name)
        except RefusedError:
            event("refused")
            return
    left = sorted(files.done)
    random.shuffle(left)
    for name in left:
        files.undo(name)
    assert (files.config.data, files.credentials.data) == texts
