"""Hugging Face's hub, or a mirror of it, through huggingface_hub.

The library lists; the bytes are fetched by `transfer`, because the library begins a file anew after a kill.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from acestep_core import __version__
from acestep_core.errors import FatalError, UserError
from acestep_core.hub.listing import Address, Listing, RemoteFile, no_hub, refused, unreachable

_CLIENTS = {"httpx", "httpx2", "httpcore", "requests", "urllib3"}  # which one it is changes with the library's version


class HuggingFace:
    name = "huggingface"
    advice = "check the network; for a mirror give --endpoint URL or export HF_ENDPOINT=URL; or try --source modelscope"
    key_advice = "export HF_TOKEN=... with a token of your account"

    def __init__(self, endpoint: str | None = None):
        from huggingface_hub import HfApi, constants

        # With it, the library asks its default host a question of its own whatever the endpoint is.
        constants.HF_HUB_DISABLE_TELEMETRY = True
        self._api = HfApi(endpoint=endpoint, library_name="acestep-core", library_version=__version__)
        self.endpoint = self._api.endpoint.rstrip("/")

    def listing(self, repo: str, revision: str | None) -> Listing:
        from huggingface_hub.hf_api import RepoFile

        with self._errors(repo, revision):
            commit = self._api.model_info(repo, revision=revision).sha or revision or "main"
            tree = list(self._api.list_repo_tree(repo, recursive=True, revision=commit))
        files = (RemoteFile(f.path, f.lfs.size, sha256=f.lfs.sha256) if f.lfs else
                 RemoteFile(f.path, f.size, blob=f.blob_id) for f in tree if isinstance(f, RepoFile))  # fmt: skip
        return Listing(repo, commit, {f.path: f for f in files})

    def address(self, listing: Listing, file: RemoteFile) -> Address:
        from huggingface_hub import get_token, hf_hub_url

        url = hf_hub_url(listing.repo, file.path, revision=listing.revision, endpoint=self.endpoint)
        token = get_token()
        return Address(url, {"Authorization": f"Bearer {token}"} if token else {})

    @contextmanager
    def _errors(self, repo: str, revision: str | None) -> Iterator[None]:
        from huggingface_hub import errors

        try:
            yield
        except errors.OfflineModeIsEnabled as e:
            raise FatalError("HF_HUB_OFFLINE forbids to ask the hub", "unset HF_HUB_OFFLINE") from e
        except errors.HFValidationError as e:
            raise UserError(f"'{repo}' is no name of a repository", "give owner/name") from e
        except errors.RevisionNotFoundError as e:
            raise UserError(f"{repo} has no revision '{revision}'", "leave --revision out for the newest") from e
        except errors.GatedRepoError as e:
            raise refused(self, repo, 403) from e
        except errors.RepositoryNotFoundError as e:  # the hub says 401 for what does not exist, too
            hint = f"check the name; if it is private, {self.key_advice}"
            raise UserError(f"{self.endpoint} has no public repository {repo}", hint) from e
        except errors.HfHubHTTPError as e:
            raise refused(self, repo, e.response.status_code) from e
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise no_hub(self, e) from e
        except Exception as e:  # the library passes on what its HTTP client raises
            if {c.__module__.partition(".")[0] for c in type(e).__mro__} & _CLIENTS:
                raise unreachable(self, e) from e
            raise
