"""What a sentinel is set to as a whole: sentinel.conf's lines without a master, SENTINEL CONFIG and SENTINEL DEBUG."""

from dataclasses import dataclass, field, fields


@dataclass(slots=True)
class Timings:
    """SENTINEL DEBUG, ms. The order is that of its reply."""

    info_period: int = 10_000
    ping_period: int = 1000
    ask_period: int = 1000
    publish_period: int = 2000
    default_down_after: int = 30_000
    default_failover_timeout: int = 180_000
    tilt_trigger: int = 2000
    tilt_period: int = 30_000
    slave_reconf_timeout: int = 10_000
    min_link_reconnect_period: int = 15_000
    election_timeout: int = 10_000
    script_max_runtime: int = 60_000
    script_retry_delay: int = 30_000

    @property
    def publish_slack(self) -> int:
        """How much later a hello may be said."""
        return self.publish_period // 10


TIMINGS = {one.name.replace("_", "-"): one.name for one in fields(Timings)}


@dataclass(slots=True)
class Settings:
    """announce_ip: "" for the one that our connections come from; announce_port: 0 for ours. user, password: of other
    sentinels, "" for none. crash_after: of CRASHES."""

    announce_ip: str = ""
    announce_port: int = 0
    user: str = ""
    password: str = ""
    resolve_hostnames: bool = False
    announce_hostnames: bool = False
    deny_scripts_reconfig: bool = True
    crash_after: set[str] = field(default_factory=set)
    timings: Timings = field(default_factory=Timings)


AFTER_ELECTION, AFTER_PROMOTION = "crash-after-election", "crash-after-promotion"
CRASHES = {AFTER_ELECTION: 1, AFTER_PROMOTION: 2}       # with their bits in sentinel_simulate_failure_flags
CRASH_STATUS = 99
