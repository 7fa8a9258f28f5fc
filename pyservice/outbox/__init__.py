"""The durable queue of reports: its database, tables, and all that is done with them."""
