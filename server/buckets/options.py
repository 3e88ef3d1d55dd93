"""How a bucket is reached: who asks, and where. What is not given is taken from the environment, as the tools of each
storage find it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class S3Options:
    """``endpoint``: such as ``https://s3.lan:9000``; empty: that of the region. ``public_endpoint``: as clients reach
    the same, where they do by another name; addresses are signed for it. ``virtual_hosted``: the endpoint is the
    bucket's.
    """

    endpoint: str = ""
    public_endpoint: str = ""
    region: str = "us-east-1"
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)
    virtual_hosted: bool = False


@dataclass(frozen=True, slots=True)
class GSOptions:
    """``endpoint``: empty: Google's own. ``public_endpoint``: as clients reach the same; what stands there asks Google
    by its own name, for which addresses are signed. Of a service account either the file or what is in it."""

    endpoint: str = ""
    public_endpoint: str = ""
    service_account_path: str = ""
    service_account_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class AzureOptions:
    """``endpoint``: of the account, which it names as a part of its host or as its path; empty: Azure's own.
    ``public_endpoint``: as clients reach the same. Of the account either its key or a shared access signature."""

    account: str = ""
    endpoint: str = ""
    public_endpoint: str = ""
    access_key: str = field(default="", repr=False)
    sas_token: str = field(default="", repr=False)


BucketOptions = S3Options | GSOptions | AzureOptions


@dataclass(frozen=True, slots=True)
class Patience:
    """With a storage, in seconds: until it is connected, until more comes or goes, of one request with all its body,
    and how often, and how long, it is asked again."""

    connect_s: float
    silence_s: float
    request_s: float
    retries_max: int
    retrying_s: float
