"""The commands about a cook: their options, the report of its end, the summary for people."""
