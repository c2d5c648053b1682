"""The format of a backup: a tar.gz that begins with a manifest, which names every file and its SHA-256.

site/..     files in the directory of the site file, and the site file itself
state/..    what the bridge keeps
outside/..  files that the site names elsewhere, with the paths that they had
"""

import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from bridge.cli.errors import CommandFailed
from bridge.datastore.durable import put_in_place

FORMAT = 1
MANIFEST = "manifest.json"
KINDS = SITE, STATE, OUTSIDE = ("site", "state", "outside")
_MANIFEST_MAX = 4 << 20
_FILES_MAX = 10_000
_PIECE = 1 << 20
#: What reading a damaged or foreign file may raise.
_DAMAGE = (tarfile.TarError, zlib.error, EOFError)


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a backup. `path` is where it was; the name begins with its kind."""

    name: str
    path: str
    size: int
    sha256: str
    mode: int

    @property
    def kind(self) -> str:
        """One of KINDS."""
        return self.name.partition("/")[0]

    @property
    def below(self) -> str:
        """The name without its kind."""
        return self.name.partition("/")[2]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself. `site` is the name of the site file."""

    version: str
    made: str
    site: str
    parts: Sequence[Part]


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_backup(target: Path, manifest: Manifest, folder: Path) -> None:
    """Write the parts, which lie in `folder` under their names, whole or not at all. Raises OSError."""
    text = json.dumps(
        {
            "format": FORMAT,
            "version": manifest.version,
            "made": manifest.made,
            "site": manifest.site,
            "files": [asdict(part) for part in manifest.parts],
        },
        indent=1,
    ).encode()
    unfinished = target.with_name(f".{target.name}.part")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
                _add(tar, MANIFEST, len(text), io.BytesIO(text))
                for part in manifest.parts:
                    with (folder / part.name).open("rb") as content:
                        _add(tar, part.name, part.size, content)
            file.flush()
            os.fsync(file.fileno())
        put_in_place(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


def unpack(source: Path, folder: Path) -> Manifest:
    """Lay the parts of a backup into `folder`, each checked. Raises CommandFailed where one is not right.

    Nothing is written but what the manifest names, and nowhere but below `folder`.
    """
    try:
        with tarfile.open(source, "r:gz") as tar:
            manifest = _read_manifest(source, tar)
            wanted = {part.name: part for part in manifest.parts}
            while (member := tar.next()) is not None:
                part = wanted.pop(member.name, None)
                if part is None or not member.isreg() or member.size != part.size:
                    raise _wrong(source, f"'{member.name[:100]}' in it is not what its manifest says")
                _extract(source, tar, member, part, folder)
    except FileNotFoundError:
        raise CommandFailed(f"{source}: found no such file, expected one that `backup` has made") from None
    except OSError as fault:
        if isinstance(fault, gzip.BadGzipFile):
            raise _wrong(source, str(fault)) from None
        raise CommandFailed(
            f"{fault.filename or folder}: {fault.strerror or fault}: expected a file that this user may "
            "read, and room for what it holds. Nothing was changed"
        ) from None
    except _DAMAGE as fault:
        raise _wrong(source, " ".join(str(fault).split()) or type(fault).__name__) from None
    if wanted:
        raise _wrong(source, f"'{next(iter(wanted))}' is missing in it")
    return manifest


def _add(tar: tarfile.TarFile, name: str, size: int, content: io.BufferedIOBase) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    tar.addfile(member, content)


def _read_manifest(source: Path, tar: tarfile.TarFile) -> Manifest:
    member = tar.next()
    if member is None or member.name != MANIFEST or not member.isreg() or member.size > _MANIFEST_MAX:
        raise _wrong(source, "it does not begin with a manifest")
    content = tar.extractfile(member)
    assert content is not None  # noqa: S101 - it is a regular file
    try:
        found = json.loads(content.read())
        if found["format"] != FORMAT:
            raise CommandFailed(
                f"{source}: found a backup of format {found['format']!r}, expected {FORMAT}: "
                "restore it by the version that made it, or a newer one"
            )
        parts = [_part(source, entry) for entry in found["files"]]
        manifest = Manifest(str(found["version"]), str(found["made"]), str(found["site"]), parts)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _wrong(source, "its manifest cannot be read") from None
    names = [part.name for part in parts]
    if len(set(names)) != len(names) or len(names) > _FILES_MAX or f"{SITE}/{manifest.site}" not in names:
        raise _wrong(source, "its manifest contradicts itself")
    return manifest


def _part(source: Path, entry: Mapping[str, object]) -> Part:
    name, size, mode = entry["name"], entry["size"], entry["mode"]
    if not isinstance(name, str) or not isinstance(size, int) or not isinstance(mode, int) or size < 0:
        raise TypeError
    if not is_safe(name):
        raise _wrong(source, f"it wants to write to '{name[:100]}', which lies elsewhere")
    return Part(name, str(entry["path"]), size, str(entry["sha256"]), mode & 0o777)


def is_safe(name: str) -> bool:
    """True for a name that leads below one of the KINDS, and nowhere else."""
    path = PurePosixPath(name)
    plain = "\\" not in name and name.isprintable() and str(path) == name and not path.is_absolute()
    return plain and len(path.parts) >= 2 and path.parts[0] in KINDS and ".." not in path.parts


def _extract(source: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, part: Part, folder: Path) -> None:
    content = tar.extractfile(member)
    assert content is not None  # noqa: S101 - it is a regular file
    target = folder / part.name
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = hashlib.sha256()
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for piece in _pieces(content):
            found.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if found.hexdigest() != part.sha256:
        raise _wrong(source, f"'{part.name}' in it has changed since it was written")
    target.chmod(part.mode | 0o600)


def _pieces(content: io.BufferedIOBase | object) -> Iterable[bytes]:
    read = content.read  # type: ignore[union-attr]
    while piece := read(_PIECE):
        yield piece


def _wrong(source: Path, why: str) -> CommandFailed:
    return CommandFailed(f"{source} is no sound backup: {why}. Nothing was changed; take another backup")
