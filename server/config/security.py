"""Directives about who may do what, and about client-side caching."""

from server.registry.directive import LONG_MAX, Choice, Flag, Number, Secret, Text

DIRECTIVES = (
    Secret("requirepass", "Password of the default user."),
    Text("aclfile", "", "File that holds the users; empty keeps them in the configuration file.",
         flags=Flag.IMMUTABLE),
    Number("acllog-max-len", 128, 0, LONG_MAX, "Refusals that ACL LOG keeps."),
    Choice("acl-pubsub-default", "resetchannels", ("allchannels", "resetchannels"),
           "Which channels a new user may use."),
    Number("tracking-table-max-keys", 1000000, 0, LONG_MAX,
           "Keys remembered for client-side caching; 0 for no limit."),
)
