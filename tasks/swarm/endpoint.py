"""Where the experts' language model answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from tasks.settings import get_settings
from tasks.swarm.errors import ModelNotReachableError
from tasks.swarm.profiles import require_text


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible endpoint.

    Attributes:
        base_url: None is OpenAI's own.
        api_key: None for local servers that ask for none.
    """

    model: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        require_text("model", self.model, 128)
        if not self.base_url and not self.api_key:
            raise ModelNotReachableError(self.model)


def configured_endpoint() -> Endpoint | None:
    """The settings' endpoint; None where no model is named.

    Raises:
        ModelNotReachableError: if a model is named, but neither a key nor an address is.
    """
    settings = get_settings()
    if not settings.llm_model:
        return None
    return Endpoint(settings.llm_model, settings.llm_base_url, settings.llm_api_key)
