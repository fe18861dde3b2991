"""Conda's settings, read without a YAML reader; PyYAML says what is right."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.environment import condarc

paths = st.one_of(
    st.text(st.sampled_from("ab/~$\\: #'\"-,é[]{}%C"), max_size=24),
    st.text(st.sampled_from("-+.0189eE_x:~"), max_size=6),
    st.sampled_from(["null", "Null", "yes", "Off", "true", ".inf", ".nan", "y", "nul", "0x1f"]),
)


def by_pyyaml(text: str) -> list[str]:
    document = yaml.safe_load(text)
    found: list[str] = []
    for key in document:
        if key in ("envs_dirs", "envs_path"):
            value = document[key]
            entries = value if isinstance(value, list) else [value]
            found += [one for one in entries if isinstance(one, str)]
    return found


@given(
    st.lists(paths, max_size=4),
    st.sampled_from([None, True, False]),
    st.sampled_from([None, "'", '"']),
    st.sampled_from(["envs_dirs", "envs_path"]),
)
def test_whatever_pyyaml_writes_is_read_as_pyyaml_reads_it(
    entries: list[str], flow: bool | None, style: str | None, key: str
) -> None:
    document = {"channels": ["envs_dirs", "x"], key: entries, "zz": {"envs_dirs": 1}}
    text = yaml.safe_dump(document, default_flow_style=None, default_style=style, width=1000)
    if flow is False:
        text = yaml.safe_dump(document, default_flow_style=False, width=1000)
    assert condarc.folders(text) == entries


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\nenvs_dirs:   # where\n- /a   # one\n# between\n\n-   /b\nchannels:\n- /c\n",
        "envs_dirs:\n  - ~/a#b\n  - '/c # d'\n",
        "envs_dirs: [/a, '/b, c',\n  /d ] # end\nchannels: [x]\n",
        "envs_dirs: /single\n",
        "envs_dirs: C:\\envs\nenvs_path:\n  - D:/x\n",
        "envs_dirs:\n  - 7\n  - null\n  - /a\n",
        "envs_dirs:\nchannels: [x]\n",
        '"envs_dirs": ["/a b", "\\u00e9"]\n',
        "channels: [a]\n",
    ],
)
def test_as_people_write_it(text: str) -> None:
    assert condarc.folders(text) == by_pyyaml(text)


@given(st.text(max_size=80))
def test_any_text_gives_a_list(text: str) -> None:
    assert all(isinstance(one, str) for one in condarc.folders("envs_dirs: " + text))
    assert condarc.folders("envs_dirs: [a, " + text.replace("]", "")) == []
