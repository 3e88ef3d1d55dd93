"""The settings of where uploaded chunks and all sound lie; part of ``server.settings.Settings``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from server.accounts.account_settings import AccountSettings

if TYPE_CHECKING:
    from server.blobs import S3Options

_NAME = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}"
_PLACE = rf"^$|^s3://[a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9](/{_NAME}){{0,4}}$"
_ENDPOINT = r"^$|^https?://[A-Za-z0-9.\[\]:-]+$"


class BlobSettings(AccountSettings):
    """Where the chunks of conversations lie until they are written down, and sound and pictures besides."""

    blobs_url: str = Field(
        "",
        pattern=_PLACE,
        description="Bucket for uploaded chunks, all sound and pictures of meetings, such as s3://bucket or "
        "s3://bucket/prefix; empty: none.",
    )
    s3_endpoint: str = Field(
        "", pattern=_ENDPOINT, description="Address of the storage that has the bucket; empty: that of its region."
    )
    s3_public_endpoint: str = Field(
        "", pattern=_ENDPOINT, description="The same as clients reach it, where that is another address."
    )
    s3_region: str = Field("us-east-1", pattern=r"^[a-z0-9-]{1,64}$", description="Region of the bucket.")
    s3_virtual_hosted: bool = Field(False, description="Whether the endpoint's name has the bucket's in it.")
    s3_access_key_id: SecretStr | None = Field(
        None, description="Key for the bucket; unset: that of the environment, as tools for S3 find it."
    )
    s3_secret_access_key: SecretStr | None = Field(
        None, validate_default=True, description="The secret that belongs to s3_access_key_id."
    )

    @field_validator("s3_secret_access_key")
    @classmethod
    def _goes_with_its_key(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        key = info.data.get("s3_access_key_id")
        if (secret is None) is not (key is None):
            raise ValueError("s3_access_key_id and s3_secret_access_key are set together, or neither is")
        return secret

    @property
    def s3(self) -> S3Options:
        """Holds the secret: never logged."""
        from server.blobs import S3Options  # here: it brings a client of storages along

        return S3Options(
            endpoint=self.s3_endpoint,
            public_endpoint=self.s3_public_endpoint,
            region=self.s3_region,
            access_key_id=self.s3_access_key_id.get_secret_value() if self.s3_access_key_id else "",
            secret_access_key=self.s3_secret_access_key.get_secret_value() if self.s3_secret_access_key else "",
            virtual_hosted=self.s3_virtual_hosted,
        )
