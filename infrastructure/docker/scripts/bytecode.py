"""Compile every .py file below a directory, taking from a cache what was compiled before.

    python bytecode.py DIRECTORY [CACHE]
    python bytecode.py --magic      # tells what kind of bytecode this Python reads
    python bytecode.py --is MAGIC   # fails if it is another one

The cache (`/root/.cache/bytecode` by default, a build's cache mount) holds one .pyc per path and
content, under the interpreter's cache tag. The files are of PEP 552's `unchecked-hash` kind: they hold no times,
so equal inputs make equal layers, and an import never looks at the source again.
"""

import hashlib
import py_compile
import secrets
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path


def compile_one(source: Path, cache: Path) -> str:
    """Put the .pyc of `source` in its place; says where it came from: `cached`, `compiled` or `skipped`."""
    target = Path(cache_from_source(str(source)))
    # The path is part of the key since tracebacks show the one that is compiled in.
    key = hashlib.sha256(str(source).encode() + b"\0" + source.read_bytes()).hexdigest()
    kept = cache / sys.implementation.cache_tag / key[:2] / key
    target.parent.mkdir(exist_ok=True)
    if kept.is_file():
        shutil.copyfile(kept, target)
        return "cached"
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    try:
        py_compile.compile(str(source), str(target), doraise=True, invalidation_mode=mode)
    except (py_compile.PyCompileError, SyntaxError, ValueError):
        # Templates and tests of other Pythons: an import would tell.
        return "skipped"
    kept.parent.mkdir(parents=True, exist_ok=True)
    # Builds for two platforms fill one cache at once, and have the same process numbers.
    partial = kept.with_suffix(f".{secrets.token_hex(8)}")
    shutil.copyfile(target, partial)
    partial.replace(kept)
    return "compiled"


def main(directory: str, cache: str = "/root/.cache/bytecode") -> None:
    """Compile below `directory` on all cores and say how much the cache gave."""
    sources = sorted(Path(directory).rglob("*.py"))
    with ProcessPoolExecutor() as pool:
        said = list(pool.map(compile_one, sources, [Path(cache)] * len(sources), chunksize=64))
    print(f"bytecode: {len(said)} files, {said.count('cached')} from the cache, {said.count('compiled')} compiled")


def magic() -> str:
    """The kind of bytecode that this Python reads: the same for every processor, another one for each release."""
    return f"{sys.implementation.cache_tag}-{MAGIC_NUMBER.hex()}"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--magic"]:
            print(magic())
        case ["--is", other]:
            if other != magic():
                sys.exit(
                    f"this Python reads {magic()}, and the one that compiles wrote {other}: images of two releases"
                )
        case arguments:
            main(*arguments)
