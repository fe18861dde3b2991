"""``nvdiffrec-tops new``: a training configuration, with comments, for what lies in a folder."""
