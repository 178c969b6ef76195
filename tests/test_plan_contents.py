import pytest

from goldi_tasks.bake import layer_contents

SITE = "venv/lib/python3.13/site-packages"
RECORD = f"{SITE}/SQLAlchemy-2.1.9.dist-info/RECORD"


def test_a_distribution_owns_what_its_record_names_and_the_bytecode_of_it() -> None:
    record = 'sqlalchemy/__init__.py,sha256=x,12\n"odd, name.py",sha256=x,1\n../../../bin/tool,sha256=x,1\nsix.py,,\n'
    owners = layer_contents.distribution(record, RECORD)
    assert owners == {f"{SITE}/{name}": "SQLAlchemy" for name in ("sqlalchemy/__init__.py", "odd, name.py", "six.py")}
    for path in (
        "sqlalchemy/__init__.py",
        "sqlalchemy/__pycache__/__init__.cpython-313.pyc",
        "__pycache__/six.pypy.pyc",
    ):
        assert layer_contents.owner(f"{SITE}/{path}", owners) == "SQLAlchemy"


def test_a_debian_package_owns_what_its_list_names_by_old_paths_too() -> None:
    owners = layer_contents.debian("/.\n/lib/x86_64-linux-gnu/libc.so.6\n/usr/bin/ldd\n", "libc6")
    assert owners["usr/lib/x86_64-linux-gnu/libc.so.6"] == owners["usr/bin/ldd"] == "libc6"


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        (f"{SITE}/unknown/deep/file.py", "unknown"),
        (f"{SITE}/single.py", "single.py"),
        ("usr/local/lib/python3.13/os.py", "/usr/local/lib/python3.13"),
        ("usr/local/bin/tini", "/usr/local/bin"),
        ("var/lib/apt/lists/x", "/var/lib"),
        ("app/goldilocks/app.py", "/app/goldilocks"),
        ("app/file", "/app"),
        ("tini", "/tini"),
    ],
)
def test_what_nobody_owns_is_named_by_its_directory(path: str, owner: str) -> None:
    assert layer_contents.owner(path, {}) == owner


def test_owners_are_sorted_by_their_bytes() -> None:
    files = {"a/b/1": 1, "a/b/2": 2, "c/d/1": 9, "e/f": 2}
    assert list(layer_contents.by_owner(files, {"e/f": "tool"}).items()) == [("/c/d", 9), ("/a/b", 3), ("tool", 2)]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("var/lib/apt/lists/x", "apt's downloads"),
        ("root/.cache/pip/x", "downloads"),
        ("root/.npm/_cacache/x", "downloads"),
        ("usr/lib/gcc/x86_64-linux-gnu/14/cc1", "compilers"),
        ("app/frontend/node_modules/vite/x.js", "npm's packages"),
        (f"{SITE}/pip/__init__.py", "installers"),
        (f"{SITE}/numpy/linalg/tests/test_x.py", "packages' tests"),
        ("usr/share/doc/x", "documentation"),
        (f"{SITE}/x/__pycache__/y.cpython-313.pyc", "bytecode"),
    ],
)
def test_what_an_image_may_do_without_is_told_with_a_remedy(path: str, name: str) -> None:
    ((found, size, remedy),) = layer_contents.find_removable([(path, 7)])
    assert (found, size) == (name, 7)
    assert remedy


@pytest.mark.parametrize(
    "path", ["app/goldilocks/app.py", f"{SITE}/pydantic/main.py", f"{SITE}/pipe/x.py", "usr/bin/a"]
)
def test_what_an_image_needs_is_not_told(path: str) -> None:
    assert layer_contents.find_removable([(path, 7)]) == []


@pytest.mark.parametrize(
    ("layers", "bytes"),
    [
        ([{"a": 5}, {"b": 6}], 0),
        ([{"a": 5}, {"a": 6}, {"a": 7}], 11),
        ([{"d/a": 5, "d/b": 6}, {"d/.wh.a": 0}], 5),
        ([{"d/a": 5, "d/e/b": 6, "dd": 1}, {".wh.d": 0}], 11),
        ([{"d/a": 5, "d/e/b": 6, "f": 1}, {"d/.wh..wh..opq": 0, "d/a": 4}], 11),
    ],
)
def test_what_later_layers_hide(layers: list[dict[str, int]], bytes: int) -> None:
    assert layer_contents.hidden(layers) == bytes
