"""Sections as exact bytes: what is cut and put back is what it was, wherever it stood and whatever stands around it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awssso_helper import aws_config, sections
from awssso_helper.errors import RefusedError

LINES = st.sampled_from(
    [
        "aws_access_key_id = AKIAABCDEFGHIJKLMNOP", "aws_secret_access_key=abc/+=", "region = eu-west-1", "s3 =",
        "  a = b", "# note", "; other", "", "  # indented", "output=json\t", "x = # [no] header", "y = é",
    ]
)  # fmt: skip
NEWLINES = st.sampled_from(["\n", "\r\n"])


@st.composite
def files(draw):
    """A credentials file as people have them: comments, blanks, odd line ends, perhaps no final newline."""
    newline = draw(NEWLINES)
    lines = draw(st.lists(st.sampled_from(["# head", "", ";"]), max_size=3))
    for name in draw(st.lists(st.sampled_from("abcdef"), unique=True, max_size=5)):
        lines += draw(st.lists(st.sampled_from(["# above", "; above"]), max_size=2))
        lines.append(draw(st.sampled_from([f"[{name}]", f"[{name}]  # x", f"  [{name}]"])))
        keys = set()
        for line in draw(st.lists(LINES, max_size=5)):
            key = line.partition("=")[0].strip().lower()
            if key in keys or (line.startswith("  ") and lines[-1] != "s3 ="):
                continue
            keys.add(key)
            lines.append(line)
    text = newline.join(lines) + draw(st.sampled_from(["", newline]))
    return text.encode()


def parsed(data: bytes):
    return aws_config.parsed(data, name="file")


def readable(data: bytes):
    try:
        return parsed(data)
    except RefusedError:
        return None


@given(files())
@settings(max_examples=400, deadline=None)
def test_h4_the_parts_joined_are_the_file(data):
    file = readable(data)
    if file is not None:
        head, parts = sections.split(file)
        assert head + b"".join(part.text for part in parts) == data
        assert tuple(part.header for part in parts) == sections.headers(file)


@given(files(), st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None)
def test_h4_sections_cut_in_any_order_and_put_back_in_any_order_give_the_very_file(data, random):
    file = readable(data)
    if file is None:
        return
    order = sections.headers(file)
    texts = {header: sections.text_of(file, header) for header in order}
    chosen = list(order)
    random.shuffle(chosen)
    try:
        for header in chosen:
            file = parsed(sections.without(file, header))
        random.shuffle(chosen)
        for header in chosen:
            file = parsed(sections.put_back(file, sections.Section(header, texts[header]), order))
    except RefusedError:
        # The look before a replacement found that some SDK would read another section otherwise.
        return
    if data.endswith((b"\n", b"\r")) or not order:
        assert file.data == data
    else:
        # Only the final newline that a section needed while it was not the last may have been added.
        assert file.data in (data, data + b"\n", data + b"\r\n")


@given(files(), st.sampled_from(["a", "z"]))
@settings(max_examples=300, deadline=None)
def test_h4_changing_a_section_leaves_every_other_byte(data, name):
    file = readable(data)
    if file is None:
        return
    before = {part.header: part.text for part in sections.split(file)[1]}
    try:
        after = parsed(sections.with_settings(file, name, {"credential_process": "/x y", "region": None}))
    except RefusedError:
        return
    now = {part.header: part.text for part in sections.split(after)[1]}
    assert after.sections[name]["credential_process"] == "/x y"
    assert "region" not in after.sections[name]
    for header, text in before.items():
        if header != name:
            assert now[header].rstrip() == text.rstrip()


def test_the_markers_of_the_block_belong_to_no_section():
    data = (
        b"[profile mine]\nregion = a\n# BEGIN awssso\n[profile gen]\n"
        b"credential_process = /opt/awssso credential-process corp/123456789012/Admin\n# END awssso\n[profile below]\n"
    )
    file = parsed(data)
    assert sections.text_of(file, "profile mine") == b"[profile mine]\nregion = a\n"
    assert sections.text_of(file, "profile below") == b"[profile below]\n"
    assert b"# BEGIN awssso" in sections.without(file, "profile mine")
    assert b"# END awssso" in sections.without(file, "profile below")


def test_a_section_that_is_there_again_is_never_overwritten():
    file = parsed(b"[prod]\nregion = x\n")
    with pytest.raises(RefusedError, match="again"):
        sections.put_back(file, sections.Section("prod", b"[prod]\nregion = y\n"), ("prod",))


def test_two_headers_for_one_profile_are_refused():
    with pytest.raises(RefusedError, match="two sections"):
        sections.profile_header(parsed(b"[default]\n[profile default]\n"), "default")


@pytest.mark.parametrize("name", ["my prof", "bob's", "a]b", "x;y", "-x", ""])
def test_a_name_that_not_every_sdk_reads_gets_no_new_profile(name):
    with pytest.raises(RefusedError, match="name"):
        sections.new_header(name)


def test_a_nested_setting_is_moved_with_its_lines():
    after = parsed(sections.with_settings(parsed(b"[profile a]\n  region = x\n"), "profile b", {"s3": {"k": "v"}}))
    assert after.sections["profile b"] == {"s3": {"k": "v"}}
