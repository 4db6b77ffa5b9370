"""The tables. Every change here needs a migration; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

releases = Table(
    "releases",
    metadata,
    Column("tag", String(64), primary_key=True),
    Column("channel", String(32), nullable=False),
    Column("notes", Text, nullable=False),
    Column("created_at", String(40), nullable=False),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("tag", String(64), ForeignKey(releases.c.tag, ondelete="CASCADE"), primary_key=True),
    Column("filename", String(64), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("uploaded_at", String(40), nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("machine", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("registered_at", Text, nullable=False),
    Column("last_seen", Float, nullable=False),
    Column("report", JSON(none_as_null=True), nullable=True),
    Column("failure", JSON(none_as_null=True), nullable=True),
    Column("alarm", Text, nullable=False),
    Column("alarm_at", Float, nullable=True),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("created_at", String(40), nullable=False),
    Column("last_used", Float, nullable=True),
    Column("revoked_at", String(40), nullable=True),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", String(40), nullable=False),
    Column("actor", String(128), nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", Text, nullable=False),
    Column("client", String(64), nullable=False),
    Column("detail", JSON, nullable=False),
    Index("ix_audit_action", "action"),
)
