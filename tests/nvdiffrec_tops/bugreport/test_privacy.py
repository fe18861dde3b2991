"""Nothing private passes, wherever it stands in a text, and the rest of the text does."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.bugreport import privacy
from nvdiffrec_tops.bugreport.privacy import Placeholders

# Names as systems give them; none that our own placeholders or words of the frame hold.
_TAKEN = {"secret", "home", "user", "host", "path", "mail", "temporary", "users", "data", "error"}
names = st.from_regex(r"[a-z][a-z0-9_]{2,12}", fullmatch=True).filter(
    lambda one: one not in _TAKEN and not one.endswith("_")
)
secrets = st.text(string.ascii_letters + string.digits + "+/=%!#", min_size=8, max_size=40)
frames = st.sampled_from(
    [
        "{}", "error: {} is not there", '"file": "{}"', "File '{}', line 3", "--config={}",
        "file://{}", "({})", "x\t{}\ny", "{}: no such file", "[{}, {}]", "PATH={}:/usr/bin",
    ]
)  # fmt: skip
separators = st.sampled_from(["/", "\\", "\\\\"])


def path_of(start: str, parts: list[str], separator: str) -> str:
    joined = separator.join(parts)
    return (
        f"/{start}/{joined}".replace("/", separator)
        if separator == "/"
        else (f"C:{separator}{start}{separator}{joined}")
    )


@given(names, st.lists(names, min_size=1, max_size=4), separators, frames, st.booleans())
def test_home_folders_and_their_owners_do_not_pass(
    user: str, parts: list[str], separator: str, frame: str, known: bool
) -> None:
    """Those of this machine, and those of a farm's, which nobody told us."""
    start = "home" if separator == "/" else "Users"
    path = path_of(start, [user, *parts, "last.png"], separator)
    home = path_of(start, [user], separator)
    given_ = Placeholders([(home, privacy.HOME)], [user]) if known else Placeholders()
    said = given_.text(frame.replace("{}", path))
    assert f"{separator}{user}" not in said.replace("last.png", "")
    assert privacy.HOME in said
    # The folders between say what somebody works on; the file's name says what failed.
    assert all(f"{separator}{part}{separator}" not in said for part in parts)
    assert "last.png" in said


@given(st.lists(names, min_size=2, max_size=5), separators, frames)
def test_other_folders_do_not_pass(parts: list[str], separator: str, frame: str) -> None:
    path = path_of("mnt" if separator == "/" else "jobs", [*parts, "last.png"], separator)
    said = Placeholders().text(frame.replace("{}", path))
    assert all(f"{separator}{part}{separator}" not in said for part in parts)
    assert "last.png" in said


@given(names, st.sampled_from(["user", "host"]), st.text(" .,:;()[]/\\\"'-_=@", min_size=1))
def test_names_do_not_pass(name: str, kind: str, around: str) -> None:
    given_ = Placeholders(users=[name]) if kind == "user" else Placeholders(hosts=[name])
    for spelled in (name, name.upper(), name.title()):
        said = given_.text(f"a{around}{spelled}{around}b")
        assert name not in said.lower()
    assert given_.text(f"x{name}x") == f"x{name}x"


@given(secrets, frames)
def test_secrets_do_not_pass(secret: str, frame: str) -> None:
    given_ = Placeholders(secrets=[secret])
    said = given_.text(frame.replace("{}", secret))
    assert secret not in said
    document = given_.document({"a": [frame.replace("{}", secret)], secret: 1, "n": 2.5})
    assert secret not in json.dumps(document, ensure_ascii=False) and document["n"] == 2.5
    assert secret not in given_.text(json.dumps({"a": secret}))


@given(secrets.filter(lambda one: one[0] not in "=!#%"))
def test_secrets_that_nobody_told_us_do_not_pass(value: str) -> None:
    for line in (
        f"API_TOKEN={value}", f"my_password: {value}", f'"client_secret": "{value}"',
        f"Authorization: Bearer {value}", f"export AWS_SECRET_ACCESS_KEY={value} && x",
    ):  # fmt: skip
        assert value not in Placeholders().text(line), line
    document = {"variables": {"LICENCE_KEY": value, "n": 1}}
    assert Placeholders().document(document) == {"variables": {"LICENCE_KEY": "<SECRET>", "n": 1}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("https://anna:pw1@host/x", "https://<SECRET>@host/x"),
        ("mail anna.b@studio.example.com!", "mail <MAIL>!"),
        ("token ghp_abcdefghijklmnopqrstuv", "token <SECRET>"),
        ("/usr/lib/libcuda.so.1: missing", "/usr/lib/libcuda.so.1: missing"),
        ("iter=100, loss=0.5, 10/20 rem=3 s", "iter=100, loss=0.5, 10/20 rem=3 s"),
        ("KeyError: 'tokens'", "KeyError: 'tokens'"),
        ("monkey: 3, keyword=4", "monkey: 3, keyword=4"),
        ("see https://pytorch.org/get-started/locally", "see https://pytorch.org/get-started/locally"),
        (
            "/mnt/envs/x/lib/python3.11/site-packages/torch/nn/a.py",
            "<PATH>/site-packages/torch/nn/a.py",
        ),
        (r"\\server\share\shots\a.png", "<PATH>/a.png"),
    ],
)  # fmt: skip
def test_examples(text: str, said: str) -> None:
    assert Placeholders().text(text) == said


def test_known_places_keep_what_lies_below_them() -> None:
    given_ = Placeholders(
        [("/home/anna", privacy.HOME), ("/home/anna/my shots/vase", "<RESULT>")], ["anna"]
    )
    assert given_.text("/home/anna/my shots/vase/mesh/mesh.obj") == "<RESULT>/mesh/mesh.obj"
    assert given_.text("/home/anna/my%20shots/vase/a") == "<RESULT>/a"
    assert given_.text("/home/anna/x/vase2.png") == "<HOME>/vase2.png"
    # A text that is a path and nothing else: what stands behind a blank is part of it.
    assert given_.document("/mnt/my client/secret film/a.png") == "<PATH>/a.png"
    assert given_.document("/home/anna/my client/a.png") == "<HOME>/a.png"


def test_what_this_machine_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"HOME": "/srv/people/kaya", "USER": "kaya", "RENDER_TOKEN": "abc123xyz"}
    given_ = privacy.of_this_machine(environ, hosts=["ws17.studio.example"])
    said = given_.text("kaya@ /srv/people/kaya/a/b.txt on ws17 and WS17.studio.example: abc123xyz")
    assert said == "<USER>@ <HOME>/b.txt on <HOST> and <HOST>: <SECRET>"
