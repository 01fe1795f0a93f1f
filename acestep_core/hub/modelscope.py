"""ModelScope's hub through modelscope-hub, the extra `modelscope`."""

import importlib.util

from acestep_core.errors import UserError
from acestep_core.hub.listing import Address, Listing, RemoteFile, no_hub, refused, unreachable

NEWEST = "master"


class ModelScope:
    name = "modelscope"
    advice = (
        "check the network; for a mirror give --endpoint URL or export MODELSCOPE_ENDPOINT=URL; "
        "or try --source huggingface"
    )
    key_advice = "export MODELSCOPE_API_TOKEN=... with a token of your account"

    def __init__(self, endpoint: str | None = None):
        if importlib.util.find_spec("modelscope_hub") is None:
            raise UserError("ModelScope's hub needs a package that is not installed",
                            'pip install "acestep-core[modelscope]"')  # fmt: skip
        from modelscope_hub import HubApi

        self._api = HubApi(endpoint=endpoint)
        self.endpoint = self._api.legacy.endpoint

    def listing(self, repo: str, revision: str | None) -> Listing:
        from modelscope_hub import APIError, NetworkError

        named = revision or NEWEST
        try:
            found = self._api.list_repo_files(repo, "model", revision=named)
        except NetworkError as e:
            raise unreachable(self, e) from e
        except APIError as e:
            raise refused(self, f"{repo} at {named}", e.status_code or 500) from e
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise no_hub(self, e) from e
        files = (RemoteFile(f.path, f.size, sha256=f.sha256 or "") for f in found if not f.is_dir)
        return Listing(repo, named, {f.path: f for f in files})

    def address(self, listing: Listing, file: RemoteFile) -> Address:
        url = self._api.legacy.get_download_url(listing.repo, "model", file.path, listing.revision)
        token = self._api.legacy.token
        # Its older servers know the token as a cookie, its newer ones as a header.
        return Address(url, {"Authorization": f"Bearer {token}", "Cookie": f"m_session_id={token}"} if token else {})
