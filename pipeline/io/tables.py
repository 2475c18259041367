"""The store's tables: SQLite by default, PostgreSQL by URL."""

from sqlalchemy import Column, Float, ForeignKey, Integer, LargeBinary, MetaData, String, Table, Text, UniqueConstraint

STORE_VERSION = "1"

metadata = MetaData()

facts = Table("facts", metadata, Column("key", String, primary_key=True), Column("value", Text, nullable=False))
"""Facts about the store: its version."""

runs = Table(
    "area_state", metadata,
    Column("aoi_id", String, primary_key=True),
    Column("detection_digest", String, nullable=False),
    Column("model_id", String, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("start", String),
    Column("site_day", String),
)  # fmt: skip
"""Per area: with what its state was made, and the last day that its sites speak for."""

chunks = Table(
    "chunk_state", metadata,
    Column("aoi_id", String, primary_key=True),
    Column("chunk_id", String, primary_key=True),
    Column("last_day", String, nullable=False),
    Column("state_file", String, nullable=False),
    Column("reference_file", String),
    Column("reference_on", String),
)  # fmt: skip
"""Per chunk: its state file, swapped in whole with the ledger's rows."""

ledger = Table(
    "ledger", metadata,
    Column("aoi_id", String, primary_key=True),
    Column("chunk_id", String, primary_key=True),
    Column("scene_id", String, primary_key=True),
    Column("processing_baseline", String, primary_key=True),
    Column("solar_day", String),
    Column("sensed_at", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("clear_pct", Float),
    Column("cloudy_pct", Float),
    Column("not_imaged_pct", Float),
    Column("reason", Text, nullable=False),
    Column("model_id", String, nullable=False),
    Column("detection_digest", String, nullable=False),
)  # fmt: skip
"""The observation ledger."""

pixels = Table(
    "day_pixels", metadata,
    Column("aoi_id", String, primary_key=True),
    Column("chunk_id", String, primary_key=True),
    Column("solar_day", String, primary_key=True),
    Column("payload", LargeBinary, nullable=False),
)  # fmt: skip
"""Changed pixels of a chunk after a day, until its sites are made; the last day of each chunk is kept."""

sites = Table(
    "sites", metadata,
    Column("aoi_id", String, primary_key=True),
    Column("site_id", String, primary_key=True),
    Column("record", Text, nullable=False),
    Column("keys", LargeBinary, nullable=False),
)  # fmt: skip
"""Open sites after the last site day."""

events = Table(
    "events", metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("aoi_id", String, nullable=False, index=True),
    Column("site_id", String, nullable=False),
    Column("alert_id", String, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("day", String, nullable=False),
    Column("payload", Text, nullable=False),
    Column("previous_hash", String, nullable=False),
    Column("hash", String, nullable=False, unique=True),
    UniqueConstraint("aoi_id", "epoch", "site_id", "revision"),
)  # fmt: skip
"""Everything that was ever said, append-only, each row hashed with the one before. A late scene starts a new epoch, in
which the area's history is told again as if the scene had come in time; the old epoch stays."""

journal = Table(
    "journal", metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("aoi_id", String, nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("noted_at", String, nullable=False),
    Column("payload", Text, nullable=False),
    Column("previous_hash", String, nullable=False),
    Column("hash", String, nullable=False, unique=True),
)  # fmt: skip
"""What was written to the ledger, which events were told and which nights were spoken for, with instants; append-only, each
row hashed with the one before. The fact `journal` says where it ends."""

nights = Table(
    "nights", metadata,
    Column("aoi_id", String, primary_key=True),
    Column("as_of", String, primary_key=True),
    Column("previous_as_of", String),
)  # fmt: skip
"""The dates that runs spoke for."""

outbox = Table(
    "outbox", metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("subscriber", String, nullable=False),
    Column("key", String, nullable=False),
    Column("token", String, nullable=False),
    Column("aoi_id", String, nullable=False, index=True),
    Column("alert_id", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("event_seq", Integer, ForeignKey("events.seq"), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("day", String, nullable=False),
    Column("content_digest", String, nullable=False),
    Column("why", Text, nullable=False),
    Column("told", Text, nullable=False),
    Column("is_void", Integer, nullable=False),
    Column("queued_at", String, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("message", String, index=True),
    Column("bundled_on", String),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", String),
    Column("reason", Text, nullable=False),
    UniqueConstraint("subscriber", "key"),
)  # fmt: skip
"""What subscribers are to be told, written in the transaction of the events; rows stay, as the record of who was told what.
`message` is set before the first try and never changes: rows of one message are always sent together."""

receipts = Table(
    "receipts", metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("message", String, nullable=False, index=True),
    Column("subscriber", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("attempted_at", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("answer", Text, nullable=False),
    Column("sha256", String, nullable=False),
    Column("rows", Integer, nullable=False),
)  # fmt: skip
"""Every try to deliver a message, append-only: when, with what outcome, and the digest of what was sent."""

cadastre_snapshots = Table(
    "cadastre_snapshot", metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("register", String, nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("sha256", String, nullable=False),
    Column("retrieved_on", String, nullable=False),
    Column("taken_at", String, nullable=False),
    Column("record_digest", String, nullable=False),
    Column("facts", Text, nullable=False),
)  # fmt: skip
"""Dated copies of cadastres: what each held besides its titles. Rows are only ever added."""

cadastre_records = Table(
    "cadastre_record", metadata,
    Column("digest", String, primary_key=True),
    Column("title_id", String, nullable=False, index=True),
    Column("record", Text, nullable=False),
    Column("outline", LargeBinary, nullable=False),
    Column("left", Float, nullable=False),
    Column("bottom", Float, nullable=False),
    Column("right", Float, nullable=False),
    Column("top", Float, nullable=False),
)  # fmt: skip
"""What was ever said of a title, once each, however many snapshots say it."""

cadastre_entries = Table(
    "cadastre_entry", metadata,
    Column("seq", Integer, ForeignKey("cadastre_snapshot.seq"), primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("digest", String, ForeignKey("cadastre_record.digest"), nullable=False, index=True),
)  # fmt: skip
"""Which snapshot said what, in the order of its file."""

community_reports = Table(
    "community_report", metadata,
    Column("id", String, primary_key=True),
    Column("digest", String, nullable=False),
    Column("taken_at", String, nullable=False),
    Column("record", Text, nullable=False),
)  # fmt: skip
"""What communities report. Its text may be erased; the journal notes the digest of each, and each erasure."""
