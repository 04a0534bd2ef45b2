"""Replication: what a master keeps for its replicas, and what a replica does with its master."""
