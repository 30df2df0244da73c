"""Model dirs from the Hugging Face hub, with one clear sentence where that cannot be done."""

from pathlib import Path

from reference.spec.errors import InputError


def fetch(repository: str, names: list[str]) -> Path:
    """The local snapshot folder of `repository` with those of `names` it has, downloaded if needed.

    Raises InputError if it is gated, does not exist, or the hub cannot be reached and nothing is cached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(repository, allow_patterns=names))
    except GatedRepoError:
        reason = "is gated: accept its licence on its page, then run 'hf auth login'"
    except RepositoryNotFoundError:
        reason = "was not found on the hub; check the name, and 'hf auth login' if it is private"
    except LocalEntryNotFoundError:
        reason = "is not in the local cache and the hub cannot be reached"
    # Of a name or token that no request can carry, a proxy without its module, an HF_ENDPOINT that is no address: its client has
    # errors of its own for each, and more with each release.
    except Exception as error:
        reason = f"could not be fetched from the hub ({(str(error) or type(error).__name__).splitlines()[0]})"
    raise InputError(f"{repository}: {reason}; or download it elsewhere and pass the folder")
