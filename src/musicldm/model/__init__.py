"""A model folder's parts that are classes of this package."""
