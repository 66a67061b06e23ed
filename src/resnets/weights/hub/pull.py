"""Pull: from a reference to files on this disk that are the published ones; from the cache, a bundle, or the hub."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from resnets.files.errors import FileError
from resnets.weights.hub import lock, source
from resnets.weights.hub.bundle import check_free, take, write_bundle
from resnets.weights.hub.cache import LOCK, folder_of, problem, record, result, sha256
from resnets.weights.hub.endpoint import endpoint, offline, origin, token
from resnets.weights.hub.errors import FetchError, NotThere, Unreachable
from resnets.weights.hub.fetch import Asked, Fetched, Patience, Progress, fetch
from resnets.weights.hub.resolve import CONFIG, PREPROCESSOR, WEIGHTS, Place, resolve
from resnets.weights.hub.source import Kept, Source

MOST_CONFIG_BYTES = 4 << 20
"""Of a config.json; Microsoft's, with a thousand class names, have 70 kB."""


def pull(
    reference: str,
    *,
    cache: str | Path | None = None,
    mirror: str | None = None,
    accept: bool = False,
    again: bool = False,
    from_bundle: str | Path | None = None,
    patience: Patience | None = None,
    progress: Progress | None = None,
) -> Path:
    """Return the weights of a reference on disk: the file it names, or the folder of a repository.

    What is in the cache is hashed and returned. Otherwise it is copied from a bundle, or fetched from its hub or
    that hub's mirror, unless RESNETS_OFFLINE or HF_HUB_OFFLINE is set. Files that were put into the folder by
    hand are taken if their hash is published, or as they are with `accept`. `again` fetches anew, and what was
    there stays until the new file is.

    Raises `ValueError` for a reference that is none, `FileError` for a cached file that is not what it was, and
    `FetchError` if the weights cannot be had; where the network is the reason, it says which files to put where.
    """
    place = resolve(reference)
    folder = folder_of(place, cache)
    address = endpoint(place.hub, mirror)
    if not again and _is_whole(place, folder):  # before the lock, so that a cache may be read-only
        return result(place, folder)
    folder.mkdir(parents=True, exist_ok=True)
    with lock.held(folder / LOCK):
        if not again and _is_whole(place, folder):  # by whoever held the lock
            return result(place, folder)
        if from_bundle is not None:
            take(Path(from_bundle), place, folder)
        else:
            _Pull(place, folder, address, accept, again, patience, progress).run()
    return result(place, folder)


def bundle(
    references: Sequence[str],
    out: str | Path,
    *,
    cache: str | Path | None = None,
    mirror: str | None = None,
    patience: Patience | None = None,
    progress: Progress | None = None,
) -> Path:
    """Pull weights, then write them with their records to `out`, a new folder or a file that ends in .tar.

    Raises as `pull` and `write_bundle` do; what is at `out` already stays.
    """
    check_free(Path(out))  # before anything is fetched
    sources = {}
    for reference in references:
        pull(reference, cache=cache, mirror=mirror, patience=patience, progress=progress)
        place = resolve(reference)
        folder = folder_of(place, cache)
        found = record(place, folder)
        assert found is not None, "pulled just now"
        sources[folder] = found
    return write_bundle(sources, out)


def _is_whole(place: Place, folder: Path) -> bool:
    """Whether everything is there; raise `FileError` for a file that is not the recorded one."""
    found = record(place, folder)
    return found is not None and found.whole and len(_unchanged(place, folder, found)) == len(found.files)


def _unchanged(place: Place, folder: Path, found: Source) -> list[Kept]:
    """The recorded files that are still there; raise `FileError` for one that is not what it was."""
    files = [file for file in found.files if (folder / file.name).exists()]
    for file in files:
        if wrong := problem(folder / file.name, file):
            raise FileError(
                f"{folder / file.name} {wrong}; it was changed since it came. Fetch it anew: "
                f"resnets weights pull {place.reference} --again"
            )
    return files


@dataclass(slots=True)
class _Pull:
    """The state of one pull: the files had so far are recorded after each, so that a killed one goes on."""

    place: Place
    folder: Path
    address: str
    accept: bool
    again: bool
    patience: Patience | None
    progress: Progress | None
    commit: str | None = None
    had: dict[str, Kept] = field(default_factory=dict)

    def run(self) -> None:
        """Have every file of the reference, and record them."""
        earlier = None if self.again else record(self.place, self.folder)
        if earlier:
            self.commit = earlier.commit
            self.had = {file.name: file for file in _unchanged(self.place, self.folder, earlier)}
        if self.place.hub == "hf":
            self._have_if_there(CONFIG)
            if self._wants_preprocessor():
                self._have_if_there(PREPROCESSOR)
        self._have_weights()
        self._record(whole=True)

    def _have_weights(self) -> None:
        names = (self.place.file,) if self.place.file else WEIGHTS
        here = [] if self.again else [name for name in names if (self.folder / name).exists()]
        for name in here or names:
            try:
                self._have(name, self.place.sha256 if name in (self.place.file, WEIGHTS[0]) else None, self.place.limit)
            except NotThere as error:
                last = error
            else:
                return
        tried = " or ".join(names)
        raise FetchError(f"{self.place.reference} has no {tried} ({last})") from None

    def _wants_preprocessor(self) -> bool:
        """Preprocessing is described in a file of its own by transformers, within config.json by timm."""
        if self.place.row:
            return self.place.row.dialect == "transformers"
        try:
            facts = json.loads((self.folder / CONFIG).read_bytes())
        except (OSError, ValueError, RecursionError):
            return False
        return isinstance(facts, dict) and "pretrained_cfg" not in facts

    def _have_if_there(self, name: str) -> None:
        if self.accept and not (self.folder / name).exists() and name not in self.had:
            return
        try:
            self._have(name, None, MOST_CONFIG_BYTES)
        except NotThere:
            return

    def _have(self, path: str, digits: str | None, limit: int) -> None:
        """Have one file of the reference: recorded before, put there by hand, or fetched."""
        name = path.rpartition("/")[2]
        if name in self.had:
            return
        if (self.folder / name).exists() and not self.again:
            self.had[name] = self._placed(name, digits)
        else:
            self.had[name] = self._fetched(path, name, digits, limit)
        self._record(whole=False)

    def _placed(self, name: str, digits: str | None) -> Kept:
        path = self.folder / name
        with path.open("rb") as file:
            found = sha256(file)
        if digits and not found.startswith(digits):
            raise FetchError(f"{path} has SHA-256 {found}, and {digits} is published; remove it, and pull again")
        if not digits and not self.accept:
            raise FetchError(
                f"{path} was put there by hand, and no hash of it is published; `resnets weights pull "
                f"{self.place.reference} --accept` takes it as it is, --again fetches it"
            )
        return Kept(name=name, sha256=found, size=path.stat().st_size, checked="published" if digits else "accepted")

    def _fetched(self, path: str, name: str, digits: str | None, limit: int) -> Kept:
        forbidden = offline()
        if forbidden:
            raise FetchError(f"{self.place.reference} is not here, and {forbidden} is set. {self._by_hand()}")
        # A repository may change between two files; the commit of the first holds for all.
        url = self.place.url(self.address, path, self.commit)
        asked = Asked(url=url, mirror=origin(self.address), sha256=digits, limit=limit, token=token(self.place.hub))
        try:
            got = fetch(
                asked,
                self.folder / name,
                part=self.folder / f"{name}.part",
                patience=self.patience,
                progress=self.progress,
            )
        except Unreachable as error:
            raise Unreachable(f"{error}. {self._by_hand()}") from None
        if got.commit and self.place.hub == "hf" and len(got.commit) == 40 and got.commit.isalnum():
            self.commit = self.commit or got.commit
        return Kept(name=name, sha256=got.sha256, size=got.size, checked=_checked(got, digits), url=url, etag=got.etag)

    def _by_hand(self) -> str:
        """What to put where, for a machine without a network."""
        place = self.place
        if place.hub != "hf":
            wanted = [(str(place.file), f"SHA-256 {place.sha256}{'' if len(str(place.sha256)) == 64 else '...'}")]
        else:
            known = f"SHA-256 {place.sha256}" if place.sha256 else "no hash is published: see the file's page there"
            wanted = [(CONFIG, "its facts"), (place.file or WEIGHTS[0], known)]
            if place.row and place.row.dialect == "transformers":
                wanted.insert(1, (PREPROCESSOR, "its preprocessing"))
        lines = [f"  {place.url(self.address, name)}  ({what})" for name, what in wanted]
        end = " --accept" if place.hub == "hf" else ""
        return "\n".join(
            [
                f"Put into {self.folder}",
                *lines,
                f"and give `resnets weights pull {place.reference}{end}`; or bring a bundle: `resnets weights bundle "
                f"{place.reference} --out weights.tar` where there is a network, then `resnets weights pull "
                f"{place.reference} --from weights.tar` here",
            ]
        )

    def _record(self, *, whole: bool) -> None:
        files = tuple(sorted(self.had.values(), key=lambda file: file.name))
        source.write(
            self.folder,
            Source(
                reference=self.place.reference,
                licence=self.place.licence,
                commit=self.commit,
                files=files,
                whole=whole,
            ),
        )


def _checked(got: Fetched, digits: str | None) -> str:
    if digits:
        return "published"
    return "hub" if got.said else "recorded"
