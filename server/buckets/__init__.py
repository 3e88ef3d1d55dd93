"""Buckets of others' storages: S3, Google Cloud Storage and Azure Blob Storage, each reached in its own way."""
