"""Jenkins' own mail, pointed at the Postfix of the node that its controller runs on.

`connection` speaks with a controller, `wanted` says how it shall be, `planning` what differs,
`applying` writes it and reads it back; `mailing` sends Jenkins' test mail; `inventory` does it for
many controllers; `emitting` writes what Jenkins does by itself when it starts.
"""
