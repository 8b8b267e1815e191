"""What the launcher starts. It is compiled anew at each start, so it only loads `warm`, which is not."""

import sys

# Under -I -S the path is the standard library, last its folder of compiled modules: `_socket` may be there.
sys.path[:] = [__file__.rpartition("/")[0], sys.path[-1]]
from warm import main  # type: ignore[import-not-found]  # noqa: E402 - found on the path of the line above

main(sys.argv[1], sys.argv[2:])
