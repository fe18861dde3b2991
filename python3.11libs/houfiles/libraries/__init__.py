"""Asset libraries, in binary and in expanded form."""
