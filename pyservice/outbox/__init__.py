"""The durable queue of reports: its database, its tables, and all operations on them."""
