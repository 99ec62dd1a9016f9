"""Pickets by city. The room stands so that the import contracts know it; its first files come with the pickets."""
