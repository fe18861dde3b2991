"""What a job puts into its output folder, and what stands there already."""
