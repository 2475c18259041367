"""Credentials out of Prefect's Secret blocks: handed to the provider in this process, and written nowhere."""

from collections.abc import Iterable, Mapping

from pipeline.errors import CredentialsMissingError
from pipeline.flows.entry import settle

PREFIX = "prefect:"


def provide_accounts(accounts: Iterable[str | None]) -> None:
    """Give the provider the credentials of every account that names a Secret block; starts a server only for those.

    Raises
    ------
    CredentialsMissingError
        See `provide_account`.
    """
    named = sorted({a for a in accounts if a is not None and a.startswith(PREFIX)})
    if not named:
        return
    settle()
    from pipeline.flows.local_server import local_server  # noqa: PLC0415 - imports Prefect, after the settings

    with local_server():
        for account in named:
            provide_account(account)


def provide_account(account: str | None) -> None:
    """Give the provider the credentials of a Secret block where the account names one; anything else is left to it.

    The block holds a JSON object with client_id and client_secret.

    Raises
    ------
    CredentialsMissingError
        There is no such block, or it holds something else; what it holds is never shown.
    """
    if account is None or not account.startswith(PREFIX):
        return
    settle()
    from prefect.blocks.system import Secret  # noqa: PLC0415 - imports Prefect, after the settings

    from pipeline.io.providers.sentinel_hub import provide_credentials  # noqa: PLC0415

    name = account.removeprefix(PREFIX)
    try:
        value = Secret.load(name).get()  # type: ignore[union-attr]  # the sync form
    except ValueError:
        value = None
    if not isinstance(value, Mapping) or not {"client_id", "client_secret"} <= set(value):
        raise CredentialsMissingError(
            f"account {account}: found no Secret block of that name with client_id and client_secret; expected a JSON object "
            "with both; make it in the Prefect server that PREFECT_API_URL names, and check its name"
        ) from None
    provide_credentials(account, str(value["client_id"]), str(value["client_secret"]))
