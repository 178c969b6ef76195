"""Images of one layer as files that `docker load` reads."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

from goldi_tasks.engine import image_archive, oci


def tar(folder: Path) -> Path:
    folder.mkdir()
    path = folder / "layer.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("./file")
        info.size = 7
        archive.addfile(info, io.BytesIO(b"content"))
    return path


def test_a_layer_is_packed_to_the_same_bits_and_keeps_the_digest_of_what_is_in_it(tmp_path: Path) -> None:
    first, second = tar(tmp_path / "one"), tar(tmp_path / "two")
    plain = first.read_bytes()
    one, two = image_archive.packed(first), image_archive.packed(second)
    assert not first.exists()
    assert (one.digest, one.size, one.diff_id) == (two.digest, two.size, two.diff_id)
    assert gzip.decompress(one.path.read_bytes()) == plain
    assert one.diff_id == f"sha256:{hashlib.sha256(plain).hexdigest()}"
    assert one.digest == image_archive.sha256(one.path.read_bytes())


def test_both_kinds_of_engine_find_the_image_in_the_archive_and_so_do_we(tmp_path: Path) -> None:
    layer = image_archive.packed(tar(tmp_path / "in"))
    config = json.dumps({"architecture": "amd64", "os": "linux"}).encode()
    described = image_archive.sha256(config)
    manifest = oci.manifest((described, len(config)), (layer.digest, layer.size))
    top = oci.top("a:b", oci.manifest_of(image_archive.sha256(manifest), len(manifest)))
    legacy = oci.legacy("a:b", described, layer.digest)
    path = image_archive.write(tmp_path / "image.tar", top, (manifest, config), layer, legacy)
    with tarfile.open(path) as archive:
        content = {name: file.read() for name in archive.getnames() if (file := archive.extractfile(name))}
    (old,) = json.loads(content["manifest.json"])
    assert old["RepoTags"] == ["a:b"]
    assert content[old["Config"]] == config
    assert content[old["Layers"][0]] == layer.path.read_bytes()
    for name, text in content.items():
        if name.startswith("blobs/"):
            assert name == f"blobs/sha256/{hashlib.sha256(text).hexdigest()}"
    with image_archive.opened(path, "amd64") as (manifests, files):
        assert [one["platform"]["architecture"] for one in manifests] == ["amd64"]
        assert files.getnames() == ["./file"]
