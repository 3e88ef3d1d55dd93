"""The settings of who may use a server; part of ``server.settings.Settings``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode

SECRET_LEAST_BYTES = 32  # RFC 7518, 3.2: as long as the digest


class AccountSettings(BaseSettings):
    """Who may use it."""

    access_token: SecretStr | None = Field(
        None,
        description="When set, every request but those for /health, the pages themselves and the API's description "
        "must carry this bearer token, or with auth_mode another credential; unset: whoever reaches the port.",
    )
    jwt_secret: SecretStr | None = Field(
        None, description="Secret (32 bytes or more) that tokens are signed with (HS256), for auth_mode jwt."
    )
    jwt_key_file: Path | None = Field(
        None, description="File with the public key (PEM; RSA or EC P-256) of who signs tokens, for auth_mode jwt."
    )
    jwt_jwks_url: str | None = Field(
        None, description="URL of the keys (JWK Set) of who signs tokens, for auth_mode jwt; needs auth_audience."
    )
    auth_issuer: str | None = Field(
        None, description="Issuer that tokens must name (iss); for auth_mode oidc its URL, where its keys are found."
    )
    auth_audience: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Audiences, comma-separated, of which a token must name one (aud); auth_mode oidc needs it."
    )
    auth_admin_claim: str = Field(
        "scope", min_length=1, description="Claim of a token, such as groups or realm_access.roles, that makes admins."
    )
    auth_admin_value: str = Field("admin", min_length=1, description="What that claim holds, of an admin.")
    auth_leeway_s: float = Field(30.0, ge=0, le=300, description="Clocks of issuers may be wrong by so much.")
    auth_token_max_bytes: int = Field(8192, ge=512, le=24 * 1024, description="Longest token.")
    auth_fetch_deadline_s: float = Field(5.0, ge=0.5, le=60, description="An issuer must answer within this.")
    auth_keys_again_s: float = Field(
        30.0, ge=1, le=3600, description="For unknown keys an issuer is asked again at most so often."
    )
    auth_keys_age_max_s: float = Field(
        3600.0, ge=60, le=7 * 86400, description="Keys of an issuer are fetched anew after so long."
    )
    auth_recheck_s: float = Field(
        10.0, ge=0.2, le=300, description="An open socket or WebRTC peer of a key that is revoked ends within this."
    )
    ticket_s: float = Field(30.0, ge=1, le=300, description="So long a ticket for a socket's handshake holds.")
    api_keys_max: int = Field(50, ge=0, le=1000, description="API keys of one person at once.")
    public_mode: bool = Field(
        False, description="Whether with auth_mode jwt or oidc nobody in particular may make transcripts, too."
    )
    auth_mode: Literal["none", "jwt", "oidc"] = Field(
        "none",
        validate_default=True,
        description="Who people are: none (the access_token, if set, is all), by tokens (jwt), or an issuer's (oidc).",
    )

    @field_validator("auth_audience", mode="before")
    @classmethod
    def _split_audiences(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("jwt_secret")
    @classmethod
    def _is_long(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value().encode()) < SECRET_LEAST_BYTES:
            raise ValueError(f"must have {SECRET_LEAST_BYTES} bytes or more, such as of `openssl rand -hex 32`")
        return secret

    @field_validator("jwt_key_file")
    @classmethod
    def _holds_a_key(cls, path: Path | None) -> Path | None:
        if path is not None:
            from server.accounts.signing_keys import read_pem  # loads much, which few need

            try:
                read_pem(path)
            except OSError as error:
                raise ValueError(f"{path} cannot be read: {error.strerror}") from None
        return path

    @field_validator("jwt_jwks_url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        if url is not None:
            from server.accounts.keys_of_issuer import check_issuer_url

            check_issuer_url(url)
        return url

    @field_validator("auth_mode")
    @classmethod
    def _goes_with_the_rest(cls, mode: str, info: ValidationInfo) -> str:
        """Half a configuration would look guarded, and not be."""
        keys = ("jwt_secret", "jwt_key_file", "jwt_jwks_url")
        if not all(name in info.data for name in keys):  # one is wrong itself, and told
            return mode
        given = [name for name in keys if info.data[name] is not None]
        match mode:
            case "none":
                _check_none(given, info.data)
            case "jwt":
                if len(given) != 1:
                    raise ValueError("jwt needs one of jwt_secret, jwt_key_file and jwt_jwks_url")
                if given == ["jwt_jwks_url"] and not info.data.get("auth_audience"):
                    raise ValueError("jwt_jwks_url needs auth_audience: its issuer makes tokens for others, too")
            case _:
                _check_oidc(given, info.data)
        return mode


def _check_none(given: list[str], data: dict[str, Any]) -> None:
    given = given + [name for name in ("auth_issuer", "auth_audience", "public_mode") if data.get(name)]
    if given:
        raise ValueError(f"{', '.join(given)}: of no use without auth_mode jwt or oidc")


def _check_oidc(given: list[str], data: dict[str, Any]) -> None:
    from server.accounts.keys_of_issuer import check_issuer_url

    if given:
        raise ValueError(f"{', '.join(given)}: for auth_mode jwt; oidc finds the keys at auth_issuer")
    if not data.get("auth_issuer") or not data.get("auth_audience"):
        raise ValueError("oidc needs auth_issuer and auth_audience")
    try:
        check_issuer_url(data["auth_issuer"])
    except ValueError as error:
        raise ValueError(f"auth_issuer: {error}") from None
