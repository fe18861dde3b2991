"""The toolkit's tests cook with its digital assets: importing its commands registers them."""

from __future__ import annotations

import nvdiffrec_tops.cook  # noqa: F401
