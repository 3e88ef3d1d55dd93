"""Every error that a client can see, as one tree.

    EarshotError
    ├── BadInput                 their fault: 400, close 4000, not worth trying again
    │   ├── InvalidMessage       a frame, JSON text or field that is not as documented
    │   ├── AudioFormatError     an encoding, container, sample rate or channel count we do not take
    │   ├── SdpError             a session description we cannot answer
    │   ├── ParameterRefused     a parameter of another service's API, with its name
    │   ├── ValidationFailed     422: the body's fields
    │   ├── TooLarge             413, close 1009: over a size, duration or count limit
    │   └── UnsupportedMedia     415: a body in a form we do not read, such as a compressed one
    ├── NotAuthorised            401, close 4001
    ├── Forbidden                403, close 4003
    ├── NotFound                 404, close 4004: unknown and foreign alike
    │   └── ModelNotFound        a language model that there is not; the message names those that there are
    ├── Conflict                 409, close 4009
    │   ├── Replaced             another connection took the session over
    │   ├── Cancelled            somebody wanted no more of it
    │   ├── IllegalMove          a state table has no such move
    │   └── PreconditionFailed   412: it changed since the version that the request names
    ├── SlowReader               close 4008: the reader's queue was full
    ├── TryLater                 503, retryable
    │   ├── Overloaded           close 4013
    │   │   └── TooManyPeers     WebRTC peers that are connecting, or of one address
    │   ├── TooSlow              408: a body that comes too slowly to be waited for
    │   ├── ProviderUnavailable  somebody who hosts meetings for us does not answer, or not now
    │   ├── LanguageModelUnavailable  the language model's server does not answer, or takes no more now
    │   ├── Idle                 close 4013: nothing came for too long; connect again and resume
    │   ├── HeldElsewhere        421, close 4010: another node has it; its address is in the details, if it has one
    │   └── Draining             close 4010: reconnect elsewhere
    ├── RateLimited              429, close 4029, retryable
    ├── ProviderFailed           502: somebody who hosts meetings for us refused, or answered nonsense
    ├── LanguageModelFailed      502: the language model's server refused us, or answered nonsense
    │   └── LanguageModelRefused the model would not answer this, or a filter took its answer away
    ├── LanguageModelTooSlow     504, close 4013, retryable: its answer was not there in time
    └── Internal                 500, close 1011: our fault
        ├── EngineFailed         the recogniser could not do its work
        │   └── ModelDamaged     the files of its model are no such model, or not all there
        └── StoreUnavailable     503, close 4013, retryable
            └── DiskFull         507: whoever runs the server must make room

Each class knows its wire code, HTTP status, close code and whether trying again can help. Errors of libraries are
translated into these once, at the edge where the library is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class EarshotError(Exception):
    """Base of all. ``message`` is for people and says what to do; ``details`` is for programs and holds no secret."""

    code: ClassVar[str] = "INTERNAL_ERROR"
    http_status: ClassVar[int] = 500
    close_code: ClassVar[int] = 1011
    retryable: ClassVar[bool] = False

    def __init__(
        self, message: str, *, details: Mapping[str, Any] | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})
        self.retry_after_s = retry_after_s

    def to_dict(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "details": self.details}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> EarshotError:
        """As another process of ours told it by ``to_dict``, in which ``retry_after_s`` is not. Raises ``KeyError``."""
        kinds = [cls]
        for kind in kinds:
            if kind.code == told["code"]:
                return kind(told["message"], details=told["details"])
            kinds += kind.__subclasses__()
        return cls(told["message"], details=told["details"])


class BadInput(EarshotError):
    code = "BAD_REQUEST"
    http_status = 400
    close_code = 4000


class InvalidMessage(BadInput):
    code = "INVALID_MESSAGE"


class AudioFormatError(BadInput):
    code = "AUDIO_FORMAT_ERROR"


class SdpError(BadInput):
    code = "SDP_ERROR"


class ParameterRefused(BadInput):
    """A field that is not as the API documents it whose clients are served, or that asks for what cannot be done here.

    ``param`` names it as the client wrote it, None where it is none of them; ``kind`` is its code in that API.
    """

    code = "PARAMETER_REFUSED"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        kind: str = "invalid_value",
        details: Mapping[str, Any] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        named = {"param": param, "code": kind}
        super().__init__(message, details=named if details is None else details, retry_after_s=retry_after_s)


class ValidationFailed(BadInput):
    """``problems`` in its details: of each field that is wrong its name and why. Where none are given it is one, the
    message, of ``details["field"]`` or else of the whole."""

    code = "VALIDATION_ERROR"
    http_status = 422

    def __init__(
        self, message: str, *, details: Mapping[str, Any] | None = None, retry_after_s: float | None = None
    ) -> None:
        given = details or {}
        problems = [{"field": given.get("field", ""), "problem": message}]
        super().__init__(message, details={"problems": problems, **given}, retry_after_s=retry_after_s)


class TooLarge(BadInput):
    code = "TOO_LARGE"
    http_status = 413
    close_code = 1009


class UnsupportedMedia(BadInput):
    code = "UNSUPPORTED_MEDIA_TYPE"
    http_status = 415


class NotAuthorised(EarshotError):
    code = "NOT_AUTHORISED"
    http_status = 401
    close_code = 4001


class Forbidden(EarshotError):
    code = "FORBIDDEN"
    http_status = 403
    close_code = 4003


class NotFound(EarshotError):
    code = "NOT_FOUND"
    http_status = 404
    close_code = 4004


class ModelNotFound(NotFound):
    code = "MODEL_NOT_FOUND"


class Conflict(EarshotError):
    code = "CONFLICT"
    http_status = 409
    close_code = 4009


class Replaced(Conflict):
    code = "REPLACED"


class IllegalMove(Conflict):
    code = "ILLEGAL_STATE"


class Cancelled(Conflict):
    code = "CANCELLED"


class PreconditionFailed(Conflict):
    code = "PRECONDITION_FAILED"
    http_status = 412


class SlowReader(EarshotError):
    code = "SLOW_READER"
    http_status = 503
    close_code = 4008
    retryable = True


class TryLater(EarshotError):
    code = "TRY_LATER"
    http_status = 503
    close_code = 4013
    retryable = True


class Overloaded(TryLater):
    code = "OVERLOADED"


class TooManyPeers(Overloaded):
    code = "TOO_MANY_PEERS"


class TooSlow(TryLater):
    code = "TOO_SLOW"
    http_status = 408


class Idle(TryLater):
    code = "IDLE"


class ProviderUnavailable(TryLater):
    code = "PROVIDER_UNAVAILABLE"


class LanguageModelUnavailable(TryLater):
    code = "LANGUAGE_MODEL_UNAVAILABLE"


class HeldElsewhere(TryLater):
    """``node_id``: where, if that is known; not for clients."""

    node_id = ""
    code = "HELD_ELSEWHERE"
    http_status = 421
    close_code = 4010


class Draining(TryLater):
    code = "DRAINING"
    close_code = 4010


class RateLimited(EarshotError):
    code = "RATE_LIMITED"
    http_status = 429
    close_code = 4029
    retryable = True


class ProviderFailed(EarshotError):
    code = "PROVIDER_FAILED"
    http_status = 502


class LanguageModelFailed(EarshotError):
    code = "LANGUAGE_MODEL_FAILED"
    http_status = 502


class LanguageModelRefused(LanguageModelFailed):
    code = "LANGUAGE_MODEL_REFUSED"


class LanguageModelTooSlow(EarshotError):
    code = "LANGUAGE_MODEL_TOO_SLOW"
    http_status = 504
    close_code = 4013
    retryable = True


class Internal(EarshotError):
    code = "INTERNAL_ERROR"


class EngineFailed(Internal):
    code = "ENGINE_FAILED"


class ModelDamaged(EngineFailed):
    code = "MODEL_DAMAGED"


class StoreUnavailable(Internal):
    code = "STORE_UNAVAILABLE"
    http_status = 503
    close_code = 4013
    retryable = True


class DiskFull(StoreUnavailable):
    code = "DISK_FULL"
    http_status = 507
