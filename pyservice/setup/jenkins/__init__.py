"""Jenkins' own mail, sent to the Postfix of the node that its controller runs on.

`connection` speaks with a controller, `desired` says how it should be, `planner` what differs,
`apply` writes it and reads it back. `test_mail` sends Jenkins' test mail, `inventory` works on many
controllers, and `bootstrap` writes what Jenkins does by itself when it starts.
"""
