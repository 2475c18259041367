"""The facts that stop a run or a scene, one named error each.

Every message says what was found, what was expected, where, and what to do. A cloudy night is no error. Errors are in
two families: `InputError` (the caller can mend it; exit code 2 of the command) and `SceneError` (one scene cannot be
used; it is counted in the ledger with this reason and the run goes on).
"""


class PipelineError(Exception):
    """Base of every error that overburden raises on purpose."""


class InputError(PipelineError):
    """Something that the caller gave cannot be used."""


class SceneError(PipelineError):
    """One scene cannot be used; the run goes on without it and says so."""


class ProviderError(PipelineError):
    """A provider of scenes does not answer as it should; the area's run stops there, and the next one goes on from there."""


class PipelineWarning(UserWarning):
    """Something was repaired or left out, and counted."""


# --- areas of interest -------------------------------------------------------------------------------------------


class AoiInvalidError(InputError):
    """An area of interest is no polygon in lon/lat, or lacks what an area must say of itself."""


class AoiAxisOrderError(AoiInvalidError):
    """The coordinates of an area are in lat/lon order, or are not degrees."""


class AoiOutsideScenesError(InputError):
    """No scene of the catalogue touches the area of interest."""


class AoiBeyondScenesError(InputError):
    """Part of an area of interest lies outside of every scene; the rest is watched and the report says so."""


# --- catalogues and scenes ---------------------------------------------------------------------------------------


class CatalogUnreadableError(InputError):
    """A catalogue, or an item of it, cannot be opened or is no STAC."""


class CatalogEmptyError(InputError):
    """A catalogue holds no item for the area and period."""


class RadiometryUnknownError(SceneError):
    """The scale or the offset of an asset cannot be known for certain."""


class SceneAssetMissingError(SceneError):
    """An item lacks a band that the walk needs."""


class SceneUnreadableError(SceneError):
    """A file of a scene is absent, truncated or no raster."""


class SceneGoneError(SceneUnreadableError):
    """The catalogue lists a file that its server does not have."""


class RadiometryContradictedError(RadiometryUnknownError):
    """The pixels of a scene contradict the offset that its item states."""


class SceneEmptyError(SceneError):
    """A scene holds no data at all over the area."""


class ProductInvalidError(SceneError):
    """A product folder or zip is no whole Sentinel-2 L2A product, or has entries outside of its own folder."""


class ProviderUnavailableError(ProviderError):
    """A server keeps failing: it answers with errors, too late, in part, or not at all."""


class ProviderRefusedError(ProviderError):
    """A server refuses: the credentials are wrong, have expired, or do not allow this."""


class ProviderForbiddenError(ProviderRefusedError):
    """A server knows who asks and does not allow it; object storage says the same of files that are not there."""


class ProviderAnswerError(ProviderError):
    """A server answers something that its protocol does not know: HTML for JSON, pages in a loop, numbers of another kind."""


class CredentialsMissingError(InputError):
    """A provider needs an account and none was found."""


class BudgetSpentError(ProviderError):
    """The next request would spend more processing units than the run may."""


class CubeContractError(PipelineError):
    """A cube does not hold what the walk needs: dims, bands, units or scene classes."""


class NoUsableSceneError(InputError):
    """Every scene of a catalogue failed; none could be used."""


# --- titles and protected areas ----------------------------------------------------------------------------------


class CadastreInvalidError(InputError):
    """A file of titles or protected areas cannot be used as it is."""


class CadastreWithoutCrsError(CadastreInvalidError):
    """A file of titles does not say its coordinate reference system, or its numbers contradict it."""


class CadastreAxisOrderError(CadastreInvalidError):
    """The coordinates of a file of titles are in lat/lon or northing/easting order: they fit only when swapped."""


class CadastreUnsafeError(CadastreInvalidError):
    """A file of titles reaches outside of its own place, points elsewhere, or unpacks without bound."""


class CadastreServiceError(ProviderAnswerError):
    """A cadastre service answers with an error, in another form, or not with all of its features."""


class TitleGeometryError(CadastreInvalidError):
    """A title is no polygon, or has no area."""


class CadastreUnknownError(InputError):
    """A snapshot or title is asked for that the registry does not hold."""


class RegisterInvalidError(InputError):
    """A register file has an unknown key, a kind that does not exist, or a code that stands twice."""


class SiteGeometryError(PipelineError):
    """A site that is laid over titles is no polygon, or has no area."""


# --- configuration, models, store ----------------------------------------------------------------------------------


class ConfigInvalidError(InputError):
    """A configuration file has an unknown field, a wrong value, or names a file that is absent."""


class ModelMismatchError(InputError):
    """A model does not fit this software: feature order, scikit-learn version or checksum."""


class StoreMismatchError(InputError):
    """A store was written by another schema version, or with another model or configuration."""


class StoreDamagedError(InputError):
    """A store, or an anchor of it, cannot be read: the file is damaged or was changed by hand."""


class AlertUnknownError(InputError):
    """An alert, site or area is asked for that the store does not hold, or by letters that more than one begins with."""


class StoreUnreachableError(ProviderError):
    """The server of a store does not answer, lets nobody in, or its driver is not installed."""


class StorageUnreachableError(ProviderError):
    """The storage of state files does not answer, or refuses."""


class ClusterUnreachableError(ProviderError):
    """The Dask cluster of a configuration does not answer, or is not there any more."""


class ReviewRefusedError(InputError):
    """A verdict cannot be taken: its reason, reviewer, note or revision is not what one may be."""


class ReportsUnreadableError(InputError):
    """A file of community reports cannot be read as what it is said to be; none of it is taken."""


class ReportRefusedError(InputError):
    """One community report cannot be taken, or what is said of it; it is counted with its reason, others are taken."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(f"{code}: {words}")
        self.code = code


class ReportUnknownError(InputError):
    """A community report is asked for that the store does not hold, or by letters that more than one begins with."""


class StoreBusyError(InputError):
    """Another run holds the store's lock for this area of interest."""


class StoreMovedError(StoreBusyError):
    """Another run has taken an area further than this one knows; what this one has is dropped."""


class DemoDataMissingError(InputError):
    """The data of the real demo area is not installed, or is another version's."""


class DemoWorldTooSmallError(InputError):
    """The simulated world has no room for its mines."""


class DeliveryInvalidError(PipelineError):
    """An output document breaks its own contract."""


# --- evidence and keys -----------------------------------------------------------------------------------------------


class BundleInvalidError(PipelineError):
    """An evidence bundle cannot be built: a name, a size or a fact is not what one may hold."""


class BundleAbsentError(InputError):
    """There is no file to verify, or it is no plain file."""


class KeyInvalidError(InputError):
    """A key file or keyring cannot be read, is for another algorithm, or the passphrase does not open it."""


class KeyExposedError(InputError):
    """A private key can be read by others than its owner."""


class KeyMissingError(InputError):
    """The private key that the keyring names is not there."""


class KeyExistsError(InputError):
    """A key is asked for where one is in use."""


# --- sharing ---------------------------------------------------------------------------------------------------------


class SharingPolicyError(InputError):
    """A sharing policy, a record of consents or a sharing key is not what one may be."""


class SharingRefusedError(InputError):
    """Something is asked for a tier that the policy does not let it have."""


# --- subscriptions and delivery --------------------------------------------------------------------------------------


class SubscriptionsInvalidError(InputError):
    """A file of subscriptions has an unknown field, a wrong value, or one name twice."""


class SecretMissingError(InputError):
    """The environment variable that a subscription names is not set."""


class TierUnavailableError(InputError):
    """A subscription asks for a sharing tier, and nothing says what that tier may see."""


class OutboxUnknownError(InputError):
    """A message is asked for that the outbox does not hold, or by letters that more than one begins with."""


class ChannelUnavailableError(InputError):
    """A channel needs a library that is not installed."""


class DeliveryFailedError(PipelineError):
    """A message was not taken, and may be taken later."""

    def __init__(self, text: str, wait_s: float | None = None) -> None:
        super().__init__(text)
        self.wait_s = wait_s
        """What the receiver asks to wait, if it does."""


class DeliveryRefusedError(PipelineError):
    """A message was refused for good: trying again by itself would not help."""


class RedirectRefusedError(DeliveryRefusedError):
    """A webhook answers with a redirect; none is followed."""


class TargetRefusedError(DeliveryRefusedError):
    """A webhook leads to a loopback, link-local, private or otherwise special address, or its address is oddly spelled."""
