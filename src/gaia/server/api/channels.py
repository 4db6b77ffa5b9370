"""Channels: where they point, and moving them in convenience mode."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.responses import Response

from gaia.errors import InvalidInput
from gaia.model.channel import Pointer, check_channel
from gaia.model.tag import Tag
from gaia.planning.latest import platforms
from gaia.protocol.release import ChannelChange, ChannelEntry, ChannelList
from gaia.server.api.releases import STEWARDS
from gaia.server.deeds import Author
from gaia.server.endpoints import ANY_ROLE, Call, Endpoint, json_answer, read_json
from gaia.server.ledger import Ledger
from gaia.server.stewardship import Steward

_MAX_BODY = 4096


@dataclass(frozen=True)
class Channels:
    """The signed pointers."""

    ledger: Ledger
    steward: Steward

    def endpoints(self) -> list[Endpoint]:
        """What this offers."""
        return [
            Endpoint(
                "GET",
                "/api/channels",
                self.index,
                ANY_ROLE,
                "All channels that have a release, and where they point.",
                answer=ChannelList,
            ),
            Endpoint(
                "PUT",
                "/api/channels/{channel}",
                self.change,
                STEWARDS,
                "Move a channel's pointer or its floor.",
                body=ChannelChange,
                answer=ChannelList,
            ),
        ]

    async def index(self, call: Call) -> Response:  # noqa: ARG002
        """`GET /api/channels`."""
        pointers = self.ledger.catalogue().pointers
        return json_answer(ChannelList([_entry(name, pointers[name]) for name in sorted(pointers)]))

    async def change(self, call: Call) -> Response:
        """`PUT /api/channels/{channel}`."""
        name = check_channel(call.path("channel"))
        wanted = await read_json(call.request, ChannelChange, limit=_MAX_BODY)
        if wanted.current is None and wanted.floor is None:
            raise InvalidInput(
                "nothing-to-change", "Neither current nor floor is given.", hint="Send one of them."
            )
        current = None if wanted.current is None else Tag.parse(wanted.current)
        floor = None if wanted.floor is None else Tag.parse(wanted.floor)
        by = Author(call.by, call.client)
        await asyncio.to_thread(self.steward.set_channel, name, current, floor, by)
        return await self.index(call)


def _entry(name: str, pointer: Pointer) -> ChannelEntry:
    return ChannelEntry(
        name=name,
        current=str(pointer.current),
        floor=str(pointer.floor),
        tags=[str(tag) for tag in sorted(pointer.tags, reverse=True)],
        withdrawn=[str(tag) for tag in sorted(pointer.withdrawn)],
        latest={platform: str(tag) for platform, tag in platforms(pointer).items()},
    )
