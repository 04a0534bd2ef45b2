from server.acl.denials import Denials
from server.acl.log import AclLog

def use(log: AclLog, denials: Denials) -> None: ...
