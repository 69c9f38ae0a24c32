"""PostgreSQL for an event loop: a statement at a time, each a transaction of its own, that no thread waits for.

A transaction of several statements in a thread waits for the server at each of them, and each time for the
interpreter's lock, which the loop has. One statement that waits in the loop's own selector waits for the server alone.
Nothing outlasts it in the session: nothing is prepared and nothing set, so that a pooler may stand between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import OperationalError

from tasks.warehouse.database import Warehouse

if TYPE_CHECKING:
    import psycopg


class LoopConnection:
    """One connection, made when it is first asked and anew after it was cut; of one event loop, one task at a time."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._connection: psycopg.AsyncConnection[tuple[Any, ...]] | None = None

    async def rows(self, statement: bytes, given: Sequence[Any]) -> list[tuple[Any, ...]]:
        """What the statement returns, once it is committed.

        Args:
            given: parameters, by place.

        Raises:
            OperationalError: where it takes longer than the warehouse's patience, as somebody else holds a row; then
                the server is told to stop.
            ConnectionError: where the connection is cut or cannot be made; whether it was committed is not known.
            psycopg.Error: for what the database refuses.
        """
        import psycopg

        try:
            async with asyncio.timeout(self._warehouse.patience):
                connection = await self._made()
                cursor = await connection.execute(statement, given)
                return await cursor.fetchall()
        except TimeoutError as error:
            raise OperationalError(None, None, error) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            await self.close()
            raise ConnectionError(str(error)) from error

    async def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _made(self) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        import psycopg

        if self._connection is None or self._connection.closed:
            engine = self._warehouse.engine
            options = engine.dialect.create_connect_args(engine.url)[1]
            self._connection = await psycopg.AsyncConnection.connect(**options, autocommit=True, prepare_threshold=None)
        return self._connection
