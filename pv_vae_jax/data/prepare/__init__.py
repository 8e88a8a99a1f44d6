"""From files of videos to shards: what launch.prepare_data does (docs/data.md)."""
