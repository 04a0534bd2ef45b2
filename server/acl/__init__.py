"""Who may do what: users, their rules, and the file that keeps them.

Owns the table of users, how rules are read and described, whether a user may run a command, and the log of refusals.
Called by `clients.authentication` (who a client is), by the gates and the door of `dispatch` (what it may), and by the
ACL commands. A rule is read once, into selectors (`selector`, the definition); what the door asks is made from them
(`permissions`, which may not know, but is never wrong). Commands and categories are those that `registry` declares.
"""
