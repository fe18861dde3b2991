"""The toolkit's digital assets: what is generated around the texts that people write."""
