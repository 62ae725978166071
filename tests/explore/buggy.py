"""Servers with exactly one bug each, in memory: what the search has to find."""

from __future__ import annotations

from fake_servers.mutants.peer import Call, Client, JsonObject, Peer

__all__ = ["BUGS"]


class AnswersCancelledTwice(Peer):
    """What was cancelled is answered at once, and again when it would have been done."""

    async def cancel(self, client: Client, ident: object) -> None:
        call = client.calls.get(self.key(ident))
        if call is not None:
            await self.answer(call, {"error": {"code": 0, "message": "cancelled"}})
            await self.answer(call, {"result": self.said("done")})
        await super().cancel(client, ident)


class TellsTooLate(Peer):
    """Progress goes on after the answer."""

    async def answer(self, call: Call, body: JsonObject) -> None:
        await super().answer(call, body)
        await self.progress(call, 99, 100)


class FoldsIds(Peer):
    """Ids come back as the numbers that they look like."""

    def answer_id(self, call: Call) -> object:
        try:
            return int(str(call.id))
        except ValueError:
            return call.id


class RemembersClients(Peer):
    """What a client that has gone was owed is given to the next one."""

    def __init__(self) -> None:
        super().__init__()
        self.owed: list[Call] = []

    async def request(self, call: Call) -> None:
        while self.owed and call.method not in ("initialize", "server/discover"):
            old = self.owed.pop()
            await call.send(self.text({"jsonrpc": "2.0", "id": old.id, "result": self.said("late")}))
        try:
            await super().request(call)
        except BaseException:
            self.owed.append(call)
            raise


class DiesOfTheThird(Peer):
    """The third connection is one too many."""

    joined = 0

    def join(self, client: Client) -> Client:
        self.joined += 1
        if self.joined > 2:
            raise MemoryError("no room for another client")
        return super().join(client)


BUGS = {each.__name__: each for each in (AnswersCancelledTwice, TellsTooLate, FoldsIds, RemembersClients, DiesOfTheThird)}
