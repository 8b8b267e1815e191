"""Sections as exact bytes: what is cut and put back is what it was, wherever it stood and whatever stands around it."""

from __future__ import annotations

import pytest
from hypothesis import event, given, settings
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
@settings(max_examples=400)
def test_h4_a_section_is_its_header_to_its_last_setting_and_the_rest_is_between(data):
    file = readable(data)
    if file is None:
        return
    rest = data
    for header in sections.headers(file):
        text = sections.text_of(file, header)
        lines = text.splitlines()
        assert lines[0].strip().startswith(f"[{header}]".encode())
        assert lines[-1].strip()[:1] not in (b"", b"#", b";")
        before, behind = sections.around(file, header)
        assert before + text + behind == data
        rest = rest.replace(text, b"", 1)
    assert sections.between(file) == rest
    assert all(line.strip()[:1] in (b"", b"#", b";") for line in rest.splitlines())


@given(files(), st.randoms(use_true_random=False))
@settings(max_examples=600)
def test_h4_sections_cut_and_put_back_in_any_order_at_any_time_give_the_very_file(data, random):
    """Each is cut as a run of its own does: it knows the file as it is then, and what others have cut out."""
    file = readable(data)
    if file is None:
        return
    cut = {}
    deeds = 0
    while deeds < 12 or cut:
        deeds += 1
        there = sections.headers(file)
        if there and deeds < 12 and random.random() < 0.6:
            header = random.choice(there)
            layout = sections.layout(file)
            for other, (_, then) in cut.items():
                layout = sections.woven(layout, other, then)
            text = sections.text_of(file, header)
            try:
                after = sections.without(file, header)
            except RefusedError:
                # The look before a replacement found that some SDK would read another section otherwise.
                event("refused")
                return
            assert sections.between(parsed(after)) == sections.between(file)
            cut[header] = (sections.Section(header, text), layout)
        elif cut:
            section, then = cut.pop(random.choice(sorted(cut)))
            try:
                after = sections.put_back(file, section, then)
            except RefusedError:
                # An indented header is one only below another header; that one has to come back first.
                assert b"\n  [" in data
                event("refused for its indent")
                return
        else:
            continue
        file = parsed(after)
    assert file.data == data


def test_the_comments_above_a_section_stay_and_so_do_those_below_it():
    data = b"# of a\n[a]\nx = 1\n# within\ny = 2\n# below\n\n# of b\n[b]\nx = 3\n# end\n"
    file = parsed(data)
    assert sections.text_of(file, "a") == b"[a]\nx = 1\n# within\ny = 2\n"
    assert sections.without(file, "a") == b"# of a\n# below\n\n# of b\n[b]\nx = 3\n# end\n"
    assert sections.without(file, "b") == b"# of a\n[a]\nx = 1\n# within\ny = 2\n# below\n\n# of b\n# end\n"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (b"[a]\nx = 1\n# note\n[c]\nx = 3\n", b"[a]\nx = 1\n# note\nB[c]\nx = 3\n"),
        (b"# new\n\n[a]\nx = 1\n\n# note\n[c]\nx = 3\n", b"# new\n\n[a]\nx = 1\n\nB# note\n[c]\nx = 3\n"),
        (b"[a]\nx = 1\n[new]\nx = 9\n\n# note\n[c]\nx = 3\n", b"[a]\nx = 1\n[new]\nx = 9\n\nB# note\n[c]\nx = 3\n"),
        (b"[c]\nx = 3\n[a]\nx = 1\n", b"B[c]\nx = 3\n[a]\nx = 1\n"),
        (b"", b"B"),
        (b"[d]\nx = 4", b"[d]\nx = 4\nB"),
    ],
)  # fmt: skip
def test_a_section_goes_back_beside_its_old_neighbours_whatever_became_of_the_file(now, expected):
    then = sections.layout(parsed(b"[a]\nx = 1\n# note\n[b]\nx = 2\n[c]\nx = 3\n"))
    after = sections.put_back(parsed(now), sections.Section("b", b"[b]\nx = 2\n"), then)
    assert after.replace(b"[b]\nx = 2\n", b"B") == expected


def test_what_an_earlier_version_cut_out_goes_back_with_its_comments():
    """It took the comments above a section along, and all up to the comments above the next."""
    old = sections.Section("a", b"# of a\n[a]\nx = 1\n\n")
    now = parsed(b"# head\n\n# of b\n[b]\nx = 2\n")
    after = sections.put_back_with_comments(now, old, ("a", "b"))
    assert after == b"# head\n\n# of a\n[a]\nx = 1\n\n# of b\n[b]\nx = 2\n"
    assert sections.put_back_with_comments(parsed(b"# head\n"), old, ("a", "b")) == b"# head\n# of a\n[a]\nx = 1\n\n"


@given(files(), st.sampled_from(["a", "z"]))
@settings(max_examples=300)
def test_h4_changing_a_section_leaves_every_other_byte(data, name):
    file = readable(data)
    if file is None:
        return
    before = {header: sections.text_of(file, header) for header in sections.headers(file)}
    try:
        after = parsed(sections.with_settings(file, name, {"credential_process": "/x y", "region": None}))
    except RefusedError:
        return
    assert after.sections[name]["credential_process"] == "/x y"
    assert "region" not in after.sections[name]
    for header, text in before.items():
        if header != name:
            assert sections.text_of(after, header).rstrip() == text.rstrip()
    assert sections.between(after).startswith(sections.between(file))


def test_the_markers_of_the_block_belong_to_no_section():
    data = (
        b"[profile mine]\nregion = a\n# BEGIN awssso\n[profile gen]\n"
        b"credential_process = /opt/awssso credential-process corp/123456789012/Admin\n# END awssso\n[profile below]\n"
    )
    file = parsed(data)
    assert sections.text_of(file, "profile mine") == b"[profile mine]\nregion = a\n"
    assert sections.text_of(file, "profile below") == b"[profile below]\n"
    assert sections.text_of(file, "profile gen").endswith(b"corp/123456789012/Admin\n")
    assert b"# BEGIN awssso" in sections.without(file, "profile mine")
    assert b"# END awssso" in sections.without(file, "profile below")


def test_a_section_that_is_there_again_is_never_overwritten():
    file = parsed(b"[prod]\nregion = x\n")
    with pytest.raises(RefusedError, match="again"):
        sections.put_back(file, sections.Section("prod", b"[prod]\nregion = y\n"), sections.layout(file))


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


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("header", ["a", "new"])
def test_no_line_that_is_written_ends_with_a_blank_or_in_another_way_than_the_file(newline, header):
    file = parsed(newline.join([b"[a]", b"region = x", b"s3 =", b"  k = u", b""]))
    after = sections.with_settings(file, header, {"s3": {"k": "v", "l": "w"}, "note": "", "output": "json"})
    assert parsed(after).sections[header]["s3"] == {"k": "v", "l": "w"}
    lines = after.split(newline)
    assert [line for line in lines if line != line.rstrip()] == []
    assert b"\n" not in after.replace(newline, b"")
