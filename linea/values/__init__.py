"""Values ⇄ bytes and digests."""
