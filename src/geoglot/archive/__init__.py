"""The archive on disk: shards, catalogue, ingest and search."""
