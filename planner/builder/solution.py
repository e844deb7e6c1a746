import msgspec
class Birth(msgspec.Struct, frozen=True, kw_only=True):
    pid: int
    creator: int
    namespace: int
    session: int
    group: int | None
    parent: int | None
    how: str
    moved_to: int | None = None
    visits: tuple[int, ...] = ()
class Solution(msgspec.Struct, frozen=True, kw_only=True):
    births: tuple[Birth, ...]
