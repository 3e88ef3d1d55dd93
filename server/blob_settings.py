"""The settings of where uploaded chunks and all sound lie; part of ``server.settings.Settings``."""

from __future__ import annotations

import base64
import binascii
from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from protocol.errors import BadInput
from server.accounts.account_settings import AccountSettings
from server.buckets.options import AzureOptions, BucketOptions, GSOptions, S3Options
from server.buckets.places import place_of

_ENDPOINT = r"^$|^https?://[A-Za-z0-9.\[\]:-]+$"
_AZURE_ENDPOINT = r"^$|^https?://[A-Za-z0-9.\[\]:-]+(/[a-z0-9]{3,24})?$"


class BlobSettings(AccountSettings):
    """Where the chunks of conversations lie until they are written down, and sound and pictures besides."""

    blobs_url: str = Field(
        "",
        description="Bucket for uploaded chunks, all sound and pictures of meetings: s3://bucket, gs://bucket or "
        "az://container, with a prefix or without, such as s3://bucket/prefix; empty: none.",
    )
    blobs_uploads_to: Literal["auto", "bucket", "server"] = Field(
        "auto",
        description="Where clients put chunks: to the bucket itself, or to this server, which takes them there; auto: "
        "to the bucket where any client can, which is S3 and Google's own.",
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
    gs_endpoint: str = Field(
        "", pattern=_ENDPOINT, description="Address of the storage that has a gs:// bucket; empty: Google's own."
    )
    gs_public_endpoint: str = Field(
        "",
        pattern=_ENDPOINT,
        description="The same as clients reach it, which hands on to Google with the Host storage.googleapis.com.",
    )
    gs_service_account_path: str = Field(
        "",
        description="JSON file with a service account's key; unset: who the environment names "
        "(GOOGLE_APPLICATION_CREDENTIALS, then the machine's own account).",
    )
    gs_service_account_key: SecretStr | None = Field(
        None, validate_default=True, description="What is in such a file, in place of the file."
    )
    az_account: str = Field(
        "",
        pattern=r"^$|^[a-z0-9]{3,24}$",
        description="Storage account with the az:// container; empty: AZURE_STORAGE_ACCOUNT_NAME of the environment.",
    )
    az_endpoint: str = Field(
        "",
        pattern=_AZURE_ENDPOINT,
        description="Address of the account, such as http://azurite:10000/account; empty: Azure's own.",
    )
    az_public_endpoint: str = Field(
        "", pattern=_AZURE_ENDPOINT, description="The same as clients reach it, where that is another address."
    )
    az_access_key: SecretStr | None = Field(
        None,
        description="A key of the account; unset: what the environment has (AZURE_STORAGE_ACCOUNT_KEY, "
        "AZURE_CLIENT_ID and the like, a managed identity).",
    )
    az_sas_token: SecretStr | None = Field(
        None,
        validate_default=True,
        description="A shared access signature of the container, in place of a key; it can sign no addresses.",
    )

    @field_validator("blobs_url")
    @classmethod
    def _is_a_bucket(cls, url: str) -> str:
        try:
            if url:
                place_of(url)
        except BadInput as error:
            raise ValueError(error.message) from None
        return url

    @field_validator("s3_secret_access_key")
    @classmethod
    def _goes_with_its_key(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        key = info.data.get("s3_access_key_id")
        if (secret is None) is not (key is None):
            raise ValueError("s3_access_key_id and s3_secret_access_key are set together, or neither is")
        return secret

    @field_validator("gs_service_account_key")
    @classmethod
    def _is_the_only_account(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if key is not None and info.data.get("gs_service_account_path"):
            raise ValueError("set gs_service_account_path or gs_service_account_key, not both")
        return key

    @field_validator("az_access_key")
    @classmethod
    def _is_a_key(cls, key: SecretStr | None) -> SecretStr | None:
        try:
            if key is not None:
                base64.b64decode(key.get_secret_value(), validate=True)
        except binascii.Error:
            raise ValueError("this is no key of a storage account, which is base64 and ends with ==") from None
        return key

    @field_validator("az_sas_token")
    @classmethod
    def _is_the_only_credential(cls, token: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if token is not None and info.data.get("az_access_key") is not None:
            raise ValueError("set az_access_key or az_sas_token, not both")
        if token is not None and info.data.get("blobs_uploads_to") == "bucket":
            raise ValueError("with it no addresses can be signed: set az_access_key, or blobs_uploads_to to server")
        return token

    @property
    def bucket(self) -> BucketOptions | None:
        """How the bucket is reached; None without one. Holds secrets: never logged."""
        match self.blobs_url.partition("://")[0]:
            case "s3":
                return S3Options(
                    endpoint=self.s3_endpoint,
                    public_endpoint=self.s3_public_endpoint,
                    region=self.s3_region,
                    access_key_id=_shown(self.s3_access_key_id),
                    secret_access_key=_shown(self.s3_secret_access_key),
                    virtual_hosted=self.s3_virtual_hosted,
                )
            case "gs":
                return GSOptions(
                    endpoint=self.gs_endpoint,
                    public_endpoint=self.gs_public_endpoint,
                    service_account_path=self.gs_service_account_path,
                    service_account_key=_shown(self.gs_service_account_key),
                )
            case "az":
                return AzureOptions(
                    account=self.az_account,
                    endpoint=self.az_endpoint,
                    public_endpoint=self.az_public_endpoint,
                    access_key=_shown(self.az_access_key),
                    sas_token=_shown(self.az_sas_token),
                )
        return None


def _shown(secret: SecretStr | None) -> str:
    return "" if secret is None else secret.get_secret_value()
