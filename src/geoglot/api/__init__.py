"""What users import, one file a noun."""
