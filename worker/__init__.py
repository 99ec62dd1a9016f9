"""Everything slow and everything secret: the only room with private keys, SMTP and WeasyPrint."""
