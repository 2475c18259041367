"""Channels: how a message leaves, one module each. A channel sends once and says what came of it; it never tries again."""

from collections.abc import Mapping

from pipeline.io.channels.files import send_to_folder, send_to_storage
from pipeline.io.channels.mail import send_by_mail
from pipeline.io.channels.parcel import Limits, Parcel
from pipeline.io.channels.webhook import post, signature
from pipeline.subscriptions import Channel, EmailChannel, FolderChannel, StorageChannel

__all__ = ["Limits", "Parcel", "send", "signature"]


def send(channel: Channel, parcel: Parcel, environment: Mapping[str, str], limits: Limits) -> str:
    """Send a parcel once, and return the receiver's answer in a few words without any secret.

    Raises
    ------
    DeliveryFailedError
        It was not taken, or nobody can know whether it was; it may be sent again under the same key.
    DeliveryRefusedError
        It was refused for good.
    SecretMissingError, ChannelUnavailableError
        The subscription cannot be served as it is; nothing was sent.
    """
    if isinstance(channel, FolderChannel):
        return send_to_folder(channel, parcel)
    if isinstance(channel, StorageChannel):
        return send_to_storage(channel, parcel, environment)
    if isinstance(channel, EmailChannel):
        return send_by_mail(channel, parcel, environment, limits)
    return post(channel, parcel, environment, limits)
