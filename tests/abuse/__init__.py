"""Made-up crowds against a running server: how many machines come to be counted, and how many people do not."""
