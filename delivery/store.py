"""Where encrypted volumes lie: each in a file of its own, which is there with all its bytes or is not there."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from uuid import UUID

from core.config import Config


def volume_path(config: Config, bundle_id: UUID, number: int, fence: int) -> Path:
    """Where a volume lies. Each attempt has a name of its own, so that a slow builder cannot overwrite a new one's."""
    if config.bundle_dir is None:
        raise ValueError("The worker has no bundle folder.")
    return config.bundle_dir / f"{bundle_id}.{number}.{fence}.sealed"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name, have the disk take it, and only then give it its own. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with half.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        half.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        half.unlink(missing_ok=True)


def remove_volumes(config: Config, bundle_id: UUID) -> None:
    """Remove all files of a bundle, whose key is gone."""
    if config.bundle_dir is not None:
        for path in config.bundle_dir.glob(f"{bundle_id}.*"):
            path.unlink(missing_ok=True)
